"""How requests travel to upstreams."""

import ipaddress
from collections.abc import Iterator
from typing import Literal

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Subject, Thing

_PRIVATE_SUFFIXES = (
    ".internal", ".intranet", ".local", ".lan", ".corp", ".home.arpa", ".private", ".svc", ".consul", ".test",
)  # fmt: skip
"""Names that the public DNS does not know."""


def _far(subject: Subject) -> Iterator[Found]:
    return _plain_text(subject, "public", "over networks that anybody may read")


def _near(subject: Subject) -> Iterator[Found]:
    return _plain_text(subject, "private", "over the network in plain text")


def _plain_text(subject: Subject, far: str, how: str) -> Iterator[Found]:
    for name, upstream in subject.spec.upstreams.items():
        if upstream.tls is not None:
            continue
        for position, endpoint in enumerate(upstream.endpoints):
            if distance(endpoint) == far:
                path = ("upstreams", name, "endpoints", position)
                yield Found(Thing("upstream", name), f"reaches {subject.shown(*path)} {how}", subject.at(*path))


def distance(endpoint: str) -> Literal["here", "private", "public"]:
    """How far a request to an endpoint goes, by its name or address alone."""
    host = endpoint.rpartition(":")[0].strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            return "here"
        return "private" if "." not in host or host.endswith(_PRIVATE_SUFFIXES) else "public"
    if address.is_loopback or address.is_unspecified:
        return "here"
    return "public" if address.is_global else "private"


def _unused(subject: Subject) -> Iterator[Found]:
    for name in subject.spec.upstreams:
        if name not in subject.routes_to:
            yield Found(Thing("upstream", name), "is where no route leads", subject.at("upstreams", name))


RULES: tuple[Rule, ...] = (
    Rule(
        "GL030",
        "plain-text-far",
        "warning",
        "security",
        15,
        "an upstream is reached in plain text over public networks",
        "Whoever is on the way reads and changes requests, answers and the identity headers.",
        "Give the upstream `tls`; if the name is private, ignore this and say so.",
        _far,
    ),
    Rule(
        "GL031",
        "plain-text-near",
        "info",
        "security",
        1,
        "an upstream is reached in plain text over a private network",
        "Whoever is in that network can read requests and answers, and can send identity headers of their own.",
        "Give the upstream `tls`, or let only the gateway reach it.",
        _near,
    ),
    Rule(
        "GL032",
        "unused-upstream",
        "warning",
        "hygiene",
        0,
        "no route leads to an upstream",
        "It becomes a cluster that is checked and resolved, and gets no request.",
        "Remove it, or name it in a route.",
        _unused,
    ),
)
