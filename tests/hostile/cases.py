"""What an attack is: bytes that are sent, what the client must get, and what the upstream must see."""

from dataclasses import dataclass
from typing import NamedTuple

from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY
from tests.hostile.records import ADMIN_KEY


class Caller(NamedTuple):
    """Whom the upstream is told of; None: the header must not be there."""

    user: str | None = None
    roles: str | None = None
    plan: str | None = None
    method: str | None = None


NOBODY = Caller()
ALICE = Caller("alice", "agent,auditor", "gold", "api_key")
SHOP = Caller("42", "customer", None, "api_key")
ROOT = Caller("root", "admin", None, "api_key")

AGENT = f"x-api-key: {AGENT_KEY}"
CUSTOMER = f"x-api-key: {CUSTOMER_KEY}"
ADMIN = f"x-api-key: {ADMIN_KEY}"
CLOSE = "connection: close"


@dataclass(frozen=True)
class Case:
    """One attack. ``reason`` ends the problem's type; ``target`` None: nothing reaches the upstream."""

    name: str
    sent: bytes
    status: int
    reason: str | None = None
    target: str | None = None
    method: str = "GET"
    caller: Caller = NOBODY
    closes: bool = False
    """A good request is sent behind it, which must never be read."""


def ask(target: str, *headers: str, method: str = "GET", body: bytes = b"", host: str = "fort") -> bytes:
    """A request, byte for byte: header lines are latin-1 and may hold anything."""
    head = [f"{method} {target} HTTP/1.1", f"host: {host}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body


def refused(name: str, sent: bytes, status: int, reason: str, *, closes: bool = False) -> Case:
    """The gateway says no, in so many words, and the upstream hears nothing."""
    return Case(name, sent, status, reason, closes=closes)


def passed(name: str, sent: bytes, target: str, caller: Caller = NOBODY, method: str = "GET") -> Case:
    """It is let through, as the one who proved who he is, with exactly this method and target."""
    return Case(name, sent, 200, None, target, method, caller)
