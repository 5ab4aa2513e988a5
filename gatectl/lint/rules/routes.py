"""Routes that lose requests, and what they render to."""

from collections.abc import Iterator
from typing import Any

import re2

from gatectl.compiler.names import route_id
from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Subject, Thing
from gatectl.spec.overlap import Share, shared


def _partly_shadowed(subject: Subject) -> Iterator[Found]:
    for share in shared(subject.spec.routes):
        text = f'loses {_lost(subject, share)} to "{subject.route(share.earlier).name}", which stands before it'
        yield Found(subject.route(share.later), text, subject.at("routes", share.later, "match"))


def _lost(subject: Subject, share: Share) -> str:
    path = ("routes", share.later, "match")
    shown = subject.shown_in("routes", share.earlier, "match", "methods") | subject.shown_in(*path, "methods")
    methods = ", ".join(shown[method] for method in share.methods) or "any method"
    hosts = subject.shown_in(*path, "hosts")
    return f"{methods} on {', '.join(hosts[host] for host in share.hosts)}" if share.hosts else methods


def _set_and_removed(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        for field in ("request_headers", "response_headers"):
            headers = getattr(route, field)
            set_here = {name.lower() for name in headers.set}
            for position, name in enumerate(headers.remove):
                if name.lower() in set_here:
                    at = subject.at("routes", index, field, "remove", position)
                    shown = subject.shown("routes", index, field, "remove", position)
                    yield Found(subject.route(index), f"sets {shown} and removes it", at)


def _invalid_re2(subject: Subject) -> Iterator[Found]:
    places = {route_id(route.name): index for index, route in subject.routes}
    options = re2.Options()
    options.log_errors = False
    verdicts: dict[str, str | None] = {}
    seen: set[tuple[int | None, str]] = set()
    for kind in ("rds", "lds", "cds"):
        for owner, regex in _expressions(subject.bundle.resource(kind), None):
            if regex not in verdicts:
                verdicts[regex] = _mistake(regex, options)
            index = places.get(owner or "")
            if verdicts[regex] is None or (index, regex) in seen:
                continue
            seen.add((index, regex))  # a route stands in every virtual host that it applies to
            thing = subject.route(index) if index is not None else Thing("listener")
            at = subject.at("routes", index, "match") if index is not None else subject.at("listener")
            yield Found(thing, f"becomes a regular expression that RE2 refuses: {verdicts[regex]}", at)


def _expressions(message: Any, owner: str | None) -> Iterator[tuple[str | None, str]]:
    """Every ``regex`` in a message of Envoy's (envoy.type.matcher.v3.RegexMatcher), and the nearest name above it."""
    if isinstance(message, list):
        for item in message:
            yield from _expressions(item, owner)
    elif isinstance(message, dict):
        if isinstance(message.get("match"), dict) and isinstance(message.get("name"), str):
            owner = message["name"]
        for key, value in message.items():
            if key == "regex" and isinstance(value, str):
                yield owner, value
            elif isinstance(value, (dict, list)):
                yield from _expressions(value, owner)


def _mistake(regex: str, options: re2.Options) -> str | None:
    try:
        re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return None


RULES: tuple[Rule, ...] = (
    Rule(
        "GL070",
        "partly-shadowed",
        "warning",
        "security",
        5,
        "a route names requests that an earlier route takes",
        "They are judged by the earlier route's access rules and go to its upstream.",
        "Move the narrower route up, or take from it what the earlier one should have.",
        _partly_shadowed,
    ),
    Rule(
        "GL071",
        "set-and-removed",
        "warning",
        "hygiene",
        0,
        "a header is set and removed",
        "One of the two has no effect, and which one is not obvious.",
        "Say only what is meant; `set` replaces what is there.",
        _set_and_removed,
    ),
    Rule(
        "GL072",
        "invalid-re2",
        "error",
        "reliability",
        0,
        "a route becomes a regular expression that Envoy cannot read",
        "Envoy refuses the whole configuration, and every later one until it is gone.",
        "This is a defect of gatectl: please report it, and write the path in another way until then.",
        _invalid_re2,
    ),
)
