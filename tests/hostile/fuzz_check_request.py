"""Damaged CheckRequests for as long as wanted: ``python -m tests.hostile.fuzz_check_request [SECONDS [SEED]]``.

The answer must always be a CheckResponse, and never OK unless what is left of the request still says so: a route of
the policy, an intact credential and a granted method. What breaks that is written to a file, whose name is printed
with the seed; exit code 1 then.
"""

import asyncio
import base64
import logging
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError

from ext_authz import policy
from ext_authz.authenticators.certificate import CertificateAuthenticator
from ext_authz.server import Authorization
from tests.ext_authz.worlds import without_redis
from tests.hostile.check_requests import CERTIFICATE, KEYS, POLICY, SEEDS, TOKEN, WORDS

OWN = {"/customers/42", "/customers/4%32", "/customers/%342", "/customers/%34%32"}


class Book:
    """The one policy."""

    def get(self, revision: str) -> policy.Policy | None:
        return POLICY if revision == POLICY.revision else None


def service(directory: Path) -> Authorization:
    """ext_authz over the policy of the tests, without Redis. To be called where a loop runs."""
    book: Any = Book()
    return Authorization(book, (*without_redis(directory), CertificateAuthenticator()))


def mutated(chance: random.Random) -> bytes:
    """A seed with one to eight injuries."""
    raw = bytearray(chance.choice(SEEDS))
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice((0, 1, 1, 2, 8, 64)))
        match chance.randrange(6):
            case 0:
                raw[at:end] = chance.choice(WORDS)
            case 1:
                raw[at:end] = chance.randbytes(end - at)
            case 2 if at < len(raw):
                raw[at] ^= 1 << chance.randrange(8)
            case 3:
                raw[at:at] = raw[at:end]
            case 4:
                other = chance.choice(SEEDS)
                raw[at:] = other[chance.randrange(len(other)) :]
            case 5:  # what stands in the text changes, and the message stays one
                words = [word for word in WORDS if word and word in raw]
                old = chance.choice(words) if words else b""
                new = bytes(chance.choice(WORDS))[: len(old)].ljust(len(old), b"x")
                raw = bytearray(bytes(raw).replace(old, new, 1)) if old else raw
    return bytes(raw)


def _keys(path: str, headers: dict[str, str]) -> list[str]:
    """Every API key that is sent, under whichever spelling of its place."""
    pairs = [("key", part) for part in path.partition("?")[2].split("&")]
    pairs += [("session", part) for part in re.split("[;,]", headers.get("cookie", ""))]
    named = [(wanted, *part.strip(" \t").partition("=")[::2]) for wanted, part in pairs]
    values = [value for wanted, name, value in named if unquote_plus(name).strip() == wanted]
    return [*values, *([headers["x-api-key"]] if "x-api-key" in headers else [])]


def _role(keys: list[str], tokens: list[str], principal: str) -> str | None:
    """The role that intact credentials prove; None for none, or for more than one besides a certificate."""
    if keys or tokens:
        [one, *others] = [*keys, *tokens]
        return None if others else KEYS.get(one) if keys else "customer" if _intact(one) else None
    return "agent" if principal == CERTIFICATE else None


def _intact(authorization: str) -> bool:
    """Whether it is the one good token; the unused bits at the end of base64 do not matter (RFC 4648 section 3.5)."""
    match = re.fullmatch(r"(?i:bearer) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", authorization)
    signed, _, signature = TOKEN.removeprefix("Bearer ").rpartition(".")
    return match is not None and match[1] == signed and _bytes(match[2]) == _bytes(signature)


def _bytes(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None


def may(raw: bytes) -> bool:
    """Whether these bytes are a request that may be let through, told apart from how ext_authz finds out."""
    try:
        attributes = external_auth_pb2.CheckRequest.FromString(raw).attributes
    except DecodeError:
        return False
    http, extensions = attributes.request.http, attributes.context_extensions
    headers, (path, _, query) = dict(http.headers), http.path.partition("?")
    keys, tokens = _keys(http.path, headers), [headers["authorization"]] if "authorization" in headers else []
    principal = attributes.source.principal
    role, route = _role(keys, tokens, principal), extensions.get("route")
    if extensions.get("revision") != POLICY.revision:
        return False
    return {
        "open": not (keys or tokens or principal) or role is not None,
        "any": role is not None,
        "tickets": role == "agent" and http.method in {"GET", "POST"},
        "customer": role == "customer" and http.method == "GET" and path in OWN,
        "both": len(keys) == len(tokens) == 1 and KEYS.get(keys[0]) is not None and _intact(tokens[0]),
        "certified": not keys and not tokens and principal == CERTIFICATE,
        "forced": role is not None and len(re.findall(r"(?:^|&)force=no(?=&|$)", _plain(query))) == 1,
        "risky": role is not None and headers.get("x-risk") == "low",
    }.get(str(route), False)


def _plain(query: str) -> str:
    """A query without escapes; none of it, when it names the parameter twice."""
    plain = unquote(query)
    return plain if len(re.findall(r"(?:^|&)force(?=[=&]|$)", plain)) == 1 else ""


async def broken_by(service: Authorization, raw: bytes) -> str | None:
    """What is wrong with the answer to these bytes; None when nothing is."""
    started = time.perf_counter()
    try:
        response = external_auth_pb2.CheckResponse.FromString(await service.check(raw))
    except Exception as error:  # noqa: BLE001 - any at all is what is looked for
        return f"{type(error).__name__}: {error}"
    kind = response.WhichOneof("http_response")
    if kind not in {"ok_response", "denied_response"} or (kind == "ok_response") != (response.status.code == 0):
        return f"an answer that is neither yes nor no: {kind}, {response.status.code}"
    if kind == "ok_response" and not may(raw):
        return "let through"
    if kind == "denied_response" and response.denied_response.status.code not in {400, 401, 403, 503}:
        return f"an odd status: {response.denied_response.status.code}"
    if time.perf_counter() - started > 1:
        return "slower than Envoy waits"
    return None


async def fuzz(seconds: float, seed: int, directory: Path) -> tuple[int, int, tuple[bytes, str] | None]:
    """How many requests were tried and let through until the time was up or one broke something; and that one."""
    chance, tried, passed = random.Random(seed), 0, 0
    under_attack = service(directory)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        raw = mutated(chance)
        wrong = await broken_by(under_attack, raw)
        if wrong is not None:
            return tried, passed, (raw, wrong)
        tried, passed = tried + 1, passed + may(raw)
    return tried, passed, None


def main() -> int:
    """Fuzz, and say what came of it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    logging.disable()  # each that cannot be read leaves a traceback
    with tempfile.TemporaryDirectory() as directory:
        tried, passed, crash = asyncio.run(fuzz(seconds, seed, Path(directory)))
    print(f"seed {seed}: {tried} requests, {passed} of them still good")  # noqa: T201 - a program
    if crash is None:
        return 0
    file = Path(tempfile.gettempdir()) / f"check_request_{seed}.bin"
    file.write_bytes(crash[0])
    print(f"{crash[1]}: {file}")  # noqa: T201 - a program
    return 1


if __name__ == "__main__":
    sys.exit(main())
