"""From the words on a command line to a request and a caller. What is wrong with them is a usage error (64)."""

import ipaddress
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gatectl.diagnostics import GatectlError
from gatectl.fields import parse_size
from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.request import Request, header, method_and_path
from gatectl.runtime.keyring import named_values

STDIN = "-"
LARGEST_FILE = 1 << 20
LARGEST_BODY = 64 << 20
"""Bytes that are really sent: enough to meet any sensible ``max_request_body``."""


def request_of(words: list[str], headers: Sequence[str], host: str, address: str, body_size: str | None) -> Request:
    """The request. Raises GatectlError (usage)."""
    method, path = method_and_path(words)
    pairs = [header(text) for text in headers]
    host = next((value for name, value in pairs if name.lower() == "host"), host)
    others = tuple(pair for pair in pairs if pair[0].lower() != "host")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise GatectlError("--address must be an IP address", 64) from None
    try:
        size = 0 if body_size is None else parse_size(body_size)
    except ValueError as error:
        raise GatectlError(f"--body-size: {error}", 64) from None
    if size > LARGEST_BODY:
        raise GatectlError("--body-size may be 64MiB at most", 64)
    return Request(method, path, others, host, address, size)


def caller_of(
    user: str | None,
    roles: Sequence[str],
    plan: str | None,
    pairs: Sequence[str],
    jwt: str | None,
    key: str | None,
    certificate: str | None,
) -> Caller:
    """The caller; ``jwt`` names a file of claims, ``key`` is one, or ``@file``. Raises GatectlError (usage)."""
    given: dict[str, Any] = {"user": user, "plan": plan, "certificate": certificate}
    given["jwt"] = _claims(_read("--jwt", jwt)) if jwt is not None else None
    given["key"] = _key(key) if key is not None else None
    try:
        return Caller(
            roles=tuple(roles),
            attributes=named_values(pairs, "--attribute"),
            **{name: value for name, value in given.items() if value is not None},
        )
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[0]
        name = {"roles": "role", "attributes": "attribute"}.get(str(details["loc"][0]), details["loc"][0])
        raise GatectlError(f"--{name}: {details['msg']}", 64) from None


def _key(text: str) -> str:
    return _read("--key", text.removeprefix("@")).strip() if text == STDIN or text.startswith("@") else text


def _claims(text: str) -> dict[str, Any]:
    try:
        claims = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GatectlError(f"--jwt: the claims are not JSON: {error}", 65) from None
    if not isinstance(claims, dict):
        raise GatectlError("--jwt: the claims of a token are a JSON object", 65)
    return claims


def _read(option: str, file: str) -> str:
    try:
        content = sys.stdin.buffer.read(LARGEST_FILE) if file == STDIN else Path(file).read_bytes()[:LARGEST_FILE]
        return content.decode()
    except OSError as error:
        raise GatectlError(f"{option}: {file} cannot be read: {error.strerror}", 64) from None
    except ValueError:
        raise GatectlError(f"{option}: {file} is not UTF-8 text", 64) from None
