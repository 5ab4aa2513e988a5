import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.runtime.ports import free_ports
from tests.runtime.worlds import HERE, World


@pytest.fixture
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="up-") as directory:  # a socket's path must be short
        port, upstream_port = free_ports(2)
        world = World(Path(directory), port, upstream_port, ["python", str(HERE / "upstream.py"), str(upstream_port)])
        try:
            yield world
        finally:
            world.end()
