"""An issuer's key server that answers badly, slowly, without end, or with somebody else's keys.

A real HTTP server and the whole of ext_authz but its process: a CheckRequest in, a CheckResponse out. Each answer of an
attacker holds his own key. How sets are parsed and refreshed: tests/ext_authz/test_jwks.py and test_jwk_set.py.
"""

import asyncio
import contextlib
import gzip
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import jwks
from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import NothingRevoked
from ext_authz.jwks import UrlSource
from ext_authz.keyset import KeySet, connect
from ext_authz.server import Authorization
from tests.ext_authz.worlds import (
    AGENT_KEY,
    ED,
    KEY_SET,
    RSA,
    RSA_OTHER,
    PinnedSources,
    bearer,
    check_request,
    claims,
    eventually,
    key_set,
    public_jwk,
    request,
)
from tests.hostile.fuzz_check_request import Book

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

MEMBERS = json.loads(KEY_SET)["keys"]
EVIL = public_jwk(RSA_OTHER, "evil")
LIFE = claims(iat=int(time.time()), exp=int(time.time()) + 3600)
GOOD, FORGED = bearer(LIFE), [bearer(LIFE, key=RSA_OTHER, kid=kid) for kid in ("evil", "rsa")]
DEADLINE_SECONDS = 1.0
"""How long Envoy waits for ext_authz."""
FETCH_SECONDS = 0.1
NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Reading the system's roots takes longer than a test."""
ENOUGH = 8 << 20
"""More than the limit of one answer, and what the system keeps in its buffers."""


def http(body: bytes, status: int = 200, *headers: str) -> Answer:
    """An ordinary answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


async def endless(writer: asyncio.StreamWriter) -> None:
    """Never stops talking."""
    writer.write(b"HTTP/1.1 200 x\r\n\r\n" + key_set(EVIL)[:-1])
    while True:
        writer.write(b" " * (1 << 20))
        await writer.drain()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """One byte at a time, each soon enough not to be given up on."""
    writer.write(b"HTTP/1.1 200 x\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(FETCH_SECONDS / 10)


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def cut_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 9999\r\n\r\n" + key_set(EVIL))


class KeyServer:
    """Answers as it is told, and counts how often it was asked and what it could send."""

    def __init__(self) -> None:
        self.answer, self.asked, self.sent = http(KEY_SET), 0, 0
        self._serving: set[asyncio.Task[None]] = set()
        self._connections: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._connections.append(writer)
        write = writer.write

        def counting(data: bytes) -> None:
            self.sent += len(data)
            write(data)

        writer.write = counting  # type: ignore[method-assign]
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await self.answer(writer)
            writer.close()
        finally:
            self._serving.discard(task)

    async def close(self) -> None:
        """End the answers that never would, and all connections, those included that were only just accepted."""
        for _ in range(5):
            await asyncio.sleep(0)
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        for writer in self._connections:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class World:
    """ext_authz, and the server that it gets its issuer's keys from."""

    def __init__(self, server: KeyServer, url: str, client: httpx.AsyncClient) -> None:
        self.server, self.source = server, UrlSource(url, client)
        sources: Any = PinnedSources(self.source)
        book: Any = Book()
        keys = ApiKeyAuthenticator(KeySet(connect("redis://127.0.0.1:1/0")))
        self._service = Authorization(book, (keys, JwtAuthenticator(sources, NothingRevoked())))

    async def reason(self, **credential: str) -> str:
        """What becomes of a request; it must be decided before Envoy gives up."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            response = external_auth_pb2.CheckResponse.FromString(
                await self._service.check(check_request(request("any", **credential)))  # type: ignore[arg-type]
            )
        reason = str(response.dynamic_metadata["reason"])
        assert (response.status.code == 0) == (reason == "granted")
        return reason

    async def settled(self) -> None:
        """The server was asked, and what came of it is known."""
        while self.source._flight is not None:
            await asyncio.wait({self.source._flight})


@pytest.fixture(autouse=True)
def _quick_and_quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", FETCH_SECONDS)
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0)
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    server = KeyServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/keys"
    async with httpx.AsyncClient(
        follow_redirects=False, trust_env=False, timeout=FETCH_SECONDS, verify=NO_ROOTS
    ) as client:
        yield World(server, url, client)
    listener.close()
    await server.close()


BAD: dict[str, Answer] = {
    "500": http(key_set(EVIL), 500),
    "203": http(key_set(EVIL), 203),
    "partial content": http(key_set(EVIL), 206),
    "a redirect that brings a set": http(key_set(EVIL), 302, "location: https://evil.example/"),
    "without end": endless,
    "one byte at a time": dripping,
    "nothing": silent,
    "cut off": cut_off,
    "compressed, unasked": http(gzip.compress(key_set(EVIL)), 200, "content-encoding: gzip"),
    "a bomb": http(gzip.compress(b" " * (50 << 20)), 200, "content-encoding: gzip"),
    "with a shared secret": http(key_set(*MEMBERS, EVIL, {"kty": "oct", "k": "AAAA", "kid": "evil"})),
    "for encryption": http(key_set(*MEMBERS, EVIL | {"use": "enc"})),
    "for wrapping keys": http(key_set(*MEMBERS, EVIL | {"key_ops": ["wrapKey"]})),
    "of another algorithm": http(key_set(*MEMBERS, EVIL | {"alg": "RSA-OAEP"})),
    "of another type": http(key_set(*MEMBERS, EVIL | {"kty": "EC"})),
    "of no type": http(key_set(*MEMBERS, {name: value for name, value in EVIL.items() if name != "kty"})),
    "a list": http(json.dumps([EVIL]).encode()),
    "one key, no set": http(json.dumps(EVIL).encode()),
    "no HTTP": http(b"", 999),
}


@pytest.mark.parametrize("name", BAD)
async def test_no_answer_of_a_key_server_makes_a_forged_token_good_or_a_good_one_bad(world: World, name: str) -> None:
    await world.source.renew()
    assert await world.reason(authorization=GOOD) == "granted"
    world.server.answer = BAD[name]
    before = {forged: await world.reason(authorization=forged) for forged in FORGED}
    await world.settled()
    assert world.server.asked > 1
    after = {forged: await world.reason(authorization=forged) for forged in FORGED}
    assert [*before.values(), *after.values()] == ["token-key-unknown", "token-signature"] * 2
    assert await world.reason(authorization=GOOD) == "granted"
    assert world.server.sent < ENOUGH * world.server.asked


@pytest.mark.parametrize("name", ["500", "without end", "nothing", "with a shared secret"])
async def test_without_a_good_answer_ever_no_token_is_judged_and_keys_work(world: World, name: str) -> None:
    world.server.answer = BAD[name]
    for token in (GOOD, *FORGED):
        assert await world.reason(authorization=token) == "issuer-keys-unavailable"
    assert await world.reason(key=AGENT_KEY) == "granted"


async def test_a_removed_key_takes_its_verified_tokens_with_it_at_the_next_refresh(world: World) -> None:
    world.source.refresh_seconds = 0.05
    following = asyncio.create_task(world.source.follow())
    await eventually(lambda: world.source.keys is not None)
    assert await world.reason(authorization=GOOD) == "granted"
    world.server.answer = http(key_set(public_jwk(ED, "ed")))
    asked = world.server.asked
    await eventually(lambda: world.server.asked > asked + 1)
    assert await world.reason(authorization=GOOD) == "token-key-unknown"
    world.server.answer = http(key_set(public_jwk(RSA_OTHER, "rsa")))
    asked = world.server.asked
    await eventually(lambda: world.server.asked > asked + 1)
    assert await world.reason(authorization=GOOD) == "token-signature"
    following.cancel()
    await asyncio.wait({following})


async def test_a_flood_of_unknown_key_ids_asks_a_silent_server_once_and_delays_nobody_else(world: World) -> None:
    await world.source.renew()
    world.server.answer = silent
    flood = [asyncio.create_task(world.reason(authorization=bearer(LIFE, key=RSA, kid=f"k{n}"))) for n in range(100)]
    await eventually(lambda: world.server.asked == 2)
    assert await world.reason(key=AGENT_KEY) == "granted"
    assert await world.reason(authorization=GOOD) == "granted"
    assert set(await asyncio.gather(*flood)) == {"token-key-unknown"}
    assert world.server.asked == 2
