"""The format of a trail, and what holds its lines together. Pure.

A line is ``{"seq", "time", "writer", "event", …fields, "prev", "hash"}``: ``seq`` counts from 1, ``time`` is RFC 3339
in UTC with milliseconds, ``prev`` is the hash of the line before (64 zeros on the first), and ``hash`` the SHA-256 of
the line's bytes up to it, closed by ``}``. So a line's hash covers all lines before it.

Whoever can write the file can also compute hashes: a chain shows a change only to somebody who has kept a hash of it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

LARGEST = 16 << 10
"""Bytes of a line; the fields of a larger one are left out, and ``oversized`` says how many bytes they were."""
OWN = frozenset({"seq", "time", "writer", "event", "prev", "hash"})
"""Names that no field may have; one that does is left out."""
LOST, TORN, CUT, ROTATED = "trail.lost", "trail.torn", "trail.cut", "trail.rotated"
"""What a writer notes about the chain itself: lines that found no room, a line that a crash cut in two and that was set
aside, lines that it had written and that are gone, and a new file."""

_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_TAIL_LENGTH = len(b',"hash":""}') + 64


@dataclass(frozen=True, slots=True)
class Link:
    """A place in a chain: the line with this number and hash."""

    seq: int
    hash: str


GENESIS = Link(0, "0" * 64)
"""What the first line follows."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as read. ``whole``: its hash is that of its content, so it is as somebody once wrote it."""

    link: Link
    prev: str
    time: str
    event: str
    whole: bool
    data: Mapping[str, Any]

    def follows(self, before: Link) -> bool:
        """Does it come right after?"""
        return self.link.seq == before.seq + 1 and self.prev == before.hash


def seal(after: Link, seconds: float, writer: str, event: str, fields: Mapping[str, Any]) -> tuple[bytes, Link]:
    """The line, with its newline, of something that happened at ``seconds`` (Unix time), and its place."""
    when = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    head = {"seq": after.seq + 1, "time": when, "writer": writer, "event": event}
    own = {name: value for name, value in fields.items() if name not in OWN}
    body = _dump({**head, **own, "prev": after.hash})
    if len(body) > LARGEST:
        body = _dump({**head, "oversized": len(body), "prev": after.hash})
    digest = sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode()), Link(after.seq + 1, digest)


def read(raw: bytes) -> Line | None:
    """A line without its newline; None when it is none of a chain."""
    try:
        data = orjson.loads(raw)
        seq, prev, when, event, digest = (data[name] for name in ("seq", "prev", "time", "event", "hash"))
    except (ValueError, KeyError, TypeError):
        return None
    texts = all(isinstance(text, str) for text in (prev, when, event, digest))
    if not texts or not isinstance(seq, int) or isinstance(seq, bool):
        return None
    tail = _TAIL.fullmatch(raw[-_TAIL_LENGTH:])
    whole = tail is not None and sha256(raw[:-_TAIL_LENGTH] + b"}").hexdigest() == tail[1].decode()
    return Line(Link(seq, digest), prev, when, event, whole, data)


def _dump(entry: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(entry, default=_text)
    except TypeError:  # half a surrogate pair, as in an argument that is no UTF-8; an integer beyond 64 bits
        return json.dumps({name: _text(value) for name, value in entry.items()}, separators=(",", ":")).encode()


def _text(value: object) -> Any:
    if value is None or isinstance(value, int):
        return value
    try:
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - somebody else's __str__
        return type(value).__name__
