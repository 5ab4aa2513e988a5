"""What one address may cost before anybody knows who is calling."""

import ipaddress
from collections.abc import Iterator

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Subject, Thing

_WIDEST = {4: 16, 6: 32}
"""Shortest prefix of a public network that one organisation may well have, by IP version."""


def _without_limit(subject: Subject) -> Iterator[Found]:
    if subject.spec.abuse.requests_per_address is None:
        text = "takes any number of requests from one address, and asks ext_authz about each"
        yield Found(Thing("listener"), text, subject.at("listener"))


def _many_exempt(subject: Subject) -> Iterator[Found]:
    for index, text in enumerate(subject.spec.abuse.exempt):
        network = ipaddress.ip_network(text)
        if not network.is_private and network.prefixlen < _WIDEST[network.version]:
            path = ("abuse", "exempt", index)
            found = f"does not hold for {subject.shown(*path)}, a network of many strangers"
            yield Found(Thing("throttling"), found, subject.at(*path))


RULES: tuple[Rule, ...] = (
    Rule(
        "GL095",
        "no-limit-by-address",
        "info",
        "security",
        1,
        "one address may send any number of requests",
        "A flood is only refused after ext_authz was asked about every single request of it.",
        "Write `abuse: {requests_per_address: 200/second}`, or what your busiest address needs.",
        _without_limit,
    ),
    Rule(
        "GL096",
        "strangers-exempt",
        "warning",
        "security",
        10,
        "a large public network may fail to authenticate without end",
        "Whoever calls from there can try keys and tokens as fast as the gateway answers.",
        "Exempt only addresses whose failures are known to be harmless.",
        _many_exempt,
    ),
)
