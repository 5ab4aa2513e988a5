"""Which routes can never match, because an earlier one takes every request they would."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gatectl.spec.model import HeaderMatch, HeaderMatcher, Match, Route

VARIABLE = None
"""A segment of a path template that takes any value."""


def shadowed(routes: Sequence[Route]) -> Iterator[tuple[int, int]]:
    """Pairs (later, earlier) of indices: ``earlier`` takes everything that ``later`` could."""
    for later, candidates in _candidates(routes):
        covering = (earlier for earlier in candidates if _covers(routes[earlier].match, routes[later].match))
        winner = next(covering, None)
        if winner is not None:
            yield later, winner


class Share(NamedTuple):
    """What ``earlier`` takes of the requests that ``later`` names: of these methods and hosts; none means any."""

    later: int
    earlier: int
    methods: tuple[str, ...]
    hosts: tuple[str, ...]


def shared(routes: Sequence[Route]) -> Iterator[Share]:
    """What routes lose to earlier ones though they name it: some of their methods or hosts, on all of their paths.

    A route that says "any method" or "any host" behind one of the same path that says some means the rest.
    """
    for later, candidates in _candidates(routes):
        for earlier in candidates:
            share = _share(later, routes[later].match, earlier, routes[earlier].match)
            if share is not None:
                yield share


def _candidates(routes: Sequence[Route]) -> Iterator[tuple[int, list[int]]]:
    """Every route, with the earlier ones that could take all of its paths."""
    index: dict[tuple[str | None, ...], list[int]] = {}
    for later, route in enumerate(routes):
        yield later, sorted({i for key in _lookup_keys(route.match) for i in index.get(key, ())})
        index.setdefault(_own_key(route.match), []).append(later)


def _share(later: int, narrow: Match, earlier: int, wide: Match) -> Share | None:
    if not _path_covers(wide, narrow) or not all(_header_covers(*one, narrow) for one in wide.headers.items()):
        return None
    methods = tuple(method for method in narrow.methods if not wide.methods or method in wide.methods)
    hosts = tuple(host for host in narrow.hosts if not wide.hosts or _host_in(host, wide.hosts))
    if not narrow.methods and wide.methods:
        if _segments(wide) == _segments(narrow):
            return None
        methods = wide.methods
    lost_nothing = (narrow.methods and not methods) or (wide.hosts and not hosts)
    lost_all = methods == narrow.methods and hosts == narrow.hosts
    return None if lost_nothing or lost_all else Share(later, earlier, methods, hosts)


def _own_key(match: Match) -> tuple[str | None, ...]:
    """Routes are looked up by the literal segments a path must start with, so 2000 routes are not 2,000,000 pairs."""
    return tuple(_segments(match)[: _literal_length(match)])


def _lookup_keys(match: Match) -> list[tuple[str | None, ...]]:
    """The keys of every route that could cover this one: each leading part of its own literal segments."""
    literal = _segments(match)[: _literal_length(match)]
    return [tuple(literal[:length]) for length in range(len(literal) + 1)]


def _literal_length(match: Match) -> int:
    segments = _segments(match)
    return segments.index(VARIABLE) if VARIABLE in segments else len(segments)


def _segments(match: Match) -> list[str | None]:
    path = match.path or match.path_prefix or match.path_template or "/"
    if match.path_prefix is not None:
        path = path.rstrip("/")
    return [VARIABLE if match.path_template and segment.startswith("{") else segment for segment in path.split("/")[1:]]


def _covers(wide: Match, narrow: Match) -> bool:
    return (
        _path_covers(wide, narrow)
        and (not wide.hosts or (bool(narrow.hosts) and all(_host_in(host, wide.hosts) for host in narrow.hosts)))
        and (not wide.methods or (bool(narrow.methods) and set(narrow.methods) <= set(wide.methods)))
        and all(_header_covers(name, matcher, narrow) for name, matcher in wide.headers.items())
    )


def _path_covers(wide: Match, narrow: Match) -> bool:
    ours, theirs = _segments(wide), _segments(narrow)
    if wide.path is not None:
        return narrow.path_prefix is None and ours == theirs
    if wide.path_prefix is not None:
        return theirs[: len(ours)] == ours
    if narrow.path_prefix is not None or len(ours) != len(theirs):
        return False
    # no variable takes the empty segment behind a last slash
    return all(mine == other or (mine is VARIABLE and other != "") for mine, other in zip(ours, theirs, strict=True))


def _host_in(host: str, hosts: Sequence[str]) -> bool:
    return host in hosts or any(wild.startswith("*.") and host.endswith(wild[1:]) for wild in hosts)


def _header_covers(name: str, matcher: HeaderMatch, narrow: Match) -> bool:
    other = {header.lower(): value for header, value in narrow.headers.items()}.get(name.lower())
    if other is None:
        return False
    ours, theirs = _matcher(matcher), _matcher(other)
    if ours.prefix is not None:
        return (theirs.exact or theirs.prefix or "").startswith(ours.prefix)
    return ours == theirs or ours.present is True


def _matcher(matcher: HeaderMatch) -> HeaderMatcher:
    return HeaderMatcher(exact=matcher) if isinstance(matcher, str) else matcher
