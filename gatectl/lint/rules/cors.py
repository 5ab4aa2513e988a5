"""What browsers are told about other origins."""

import re
from collections.abc import Iterator

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Path, Subject, Thing
from gatectl.spec.model import Cors

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/@:\s]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""As browsers send it (Fetch, section 3.2): lower-case, no path, no slash at the end."""
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9.-]+\.localhost)(:[0-9]+)?")


def _origins(subject: Subject) -> Iterator[tuple[Thing, Cors, Path, str]]:
    for thing, path, cors in subject.cors:
        for position, origin in enumerate(cors.allow_origins):
            yield thing, cors, (*path, "allow_origins", position), origin


def _any_origin(subject: Subject) -> Iterator[Found]:
    inherited = any(route.cors is None and route.access != "public" for _, route in subject.routes)
    for thing, _, path, origin in _origins(subject):
        private = subject.spec.routes[path[1]].access != "public" if isinstance(path[1], int) else inherited
        if origin == "*" and private:
            yield Found(thing, "lets every site read what a caller with a credential gets", subject.at(*path))


def _plain_origin(subject: Subject) -> Iterator[Found]:
    for thing, cors, path, origin in _origins(subject):
        if cors.allow_credentials and origin.startswith("http://") and not _LOCAL.fullmatch(origin):
            yield Found(thing, f"allows credentials from {subject.shown(*path)}, which is not HTTPS", subject.at(*path))


def _null_origin(subject: Subject) -> Iterator[Found]:
    for thing, _, path, origin in _origins(subject):
        if origin == "null":
            yield Found(thing, "allows the origin null, which every sandboxed frame has", subject.at(*path))


def _dead_origin(subject: Subject) -> Iterator[Found]:
    for thing, _, path, origin in _origins(subject):
        if origin not in {"*", "null"} and not _is_sent(origin):
            yield Found(thing, f'allows "{subject.shown(*path)}", which no browser sends', subject.at(*path))


def _is_sent(origin: str) -> bool:
    """Whether a browser can send it. A default port is left out."""
    default_port = {"http": ":80", "https": ":443"}.get(origin.partition(":")[0], "-")
    return _ORIGIN.fullmatch(origin) is not None and origin == origin.lower() and not origin.endswith(default_port)


def _unused(subject: Subject) -> Iterator[Found]:
    if subject.spec.cors is not None and all(route.cors is not None for _, route in subject.routes):
        yield Found(Thing("CORS policy"), "is what every route replaces by its own", subject.at("cors"))


RULES: tuple[Rule, ...] = (
    Rule(
        "GL050",
        "cors-any-origin",
        "warning",
        "security",
        5,
        "every site may read the answers of a route that wants a caller",
        "A page that got hold of a key or a token, by a bug or by asking, can use it from any browser that opens it.",
        "List the origins of your own front ends.",
        _any_origin,
    ),
    Rule(
        "GL051",
        "cors-plain-origin",
        "error",
        "security",
        20,
        "an origin without HTTPS may send credentials",
        "Whoever is in the same network can put a script into that page, and it acts as the user.",
        "Write the origin with https://.",
        _plain_origin,
    ),
    Rule(
        "GL052",
        "cors-null-origin",
        "error",
        "security",
        20,
        "the origin null is allowed",
        "Every page can make itself a frame or a file whose origin is null: it is `*` under another name.",
        "List real origins.",
        _null_origin,
    ),
    Rule(
        "GL053",
        "cors-dead-origin",
        "warning",
        "hygiene",
        0,
        "an allowed origin is one that no browser sends",
        "Origins are compared letter by letter: a slash at the end, a path, a capital or :443 never match.",
        "Write scheme and host, and the port if it is not the usual one: `https://app.example.com`.",
        _dead_origin,
    ),
    Rule(
        "GL054",
        "cors-unused",
        "info",
        "hygiene",
        0,
        "the gateway's CORS policy is nobody's",
        "Every route has its own, and this one is not rendered.",
        "Remove it, or let routes use it.",
        _unused,
    ),
)
