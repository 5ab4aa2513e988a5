import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.runtime import redis_connection, redis_server, state_dir
from gatectl.runtime.ports import free_ports
from gatectl.runtime.processes import Child
from tests.runtime.worlds import HERE, World, until


def make_world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="up-") as directory:  # a socket's path must be short
        port, upstream_port = free_ports(2)
        world = World(Path(directory), port, upstream_port, ["python", str(HERE / "upstream.py"), str(upstream_port)])
        try:
            yield world
        finally:
            world.end()


world = pytest.fixture(make_world, name="world")


def answers(url: str) -> bool:
    try:
        redis_connection.check(url)
    except GatectlError:
        return False
    return True


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's own Redis, in a directory whose name needs quotes."""
    directory = state_dir.prepare(tmp_path_factory.mktemp('a "quoted" name'))
    [port] = free_ports(1)
    url = redis_server.new_url(port)
    server = Child(redis_server.program(directory, url))
    try:
        server.start()
        assert until(lambda: answers(url)), server.tail()
        yield url
    finally:
        server.stop()
    assert any((directory / "redis").rglob("*.aof"))
