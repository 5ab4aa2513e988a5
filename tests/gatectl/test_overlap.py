"""Routes that can never match: whatever is reported is truly unreachable, and the obvious is found."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gatectl.spec.model import HeaderMatch, Match, Route
from gatectl.spec.overlap import shadowed, shared

SEGMENTS = ("", "a", "b")
PATHS = ["/" + "/".join(parts) for length in (1, 2, 3) for parts in product(SEGMENTS, repeat=length)]
PATHS = [path for path in PATHS if "//" not in path] + ["/ab", "/a/ab"]
ASKED = sorted({*PATHS, *(f"{path.rstrip('/')}/z" for path in PATHS)})
"""Below every prefix there is one more path than any route names."""
HOSTS = ("x", "a.x", "b.a.x", "y")
METHODS = ("GET", "POST", "PUT")
HEADERS: tuple[Mapping[str, str], ...] = tuple(
    {name: value for name, value in (("h", h), ("k", k)) if value is not None}
    for h, k in product((None, "", "v", "vv", "w"), (None, "v"))
)


def takes(match: Match, path: str, host: str, method: str, headers: Mapping[str, str]) -> bool:
    """What Envoy does, said as plainly as possible and nothing like the code under test."""
    return (
        takes_path(match, path)
        and (not match.hosts or any(host == own or (own[0] == "*" and host.endswith(own[1:])) for own in match.hosts))
        and (not match.methods or method in match.methods)
        and all(takes_value(matcher, headers.get(name.lower())) for name, matcher in match.headers.items())
    )


def takes_path(match: Match, path: str) -> bool:
    if match.path is not None:
        return path == match.path
    if match.path_prefix is not None:
        prefix = match.path_prefix.rstrip("/")
        return path == prefix or path.startswith(f"{prefix}/")
    wanted, got = (match.path_template or "").split("/"), path.split("/")
    return len(wanted) == len(got) and all(
        (part != "" if want.startswith("{") else part == want) for want, part in zip(wanted, got, strict=True)
    )


def takes_value(matcher: HeaderMatch, value: str | None) -> bool:
    if value is None or isinstance(matcher, str):
        return value == matcher
    return value.startswith(matcher.prefix or "") and matcher.exact in {None, value}


def unreachable(routes: list[Route]) -> set[int]:
    """By trying every request there is."""
    reached = set()
    for request in product(ASKED, HOSTS, METHODS, HEADERS):
        reached.add(next((index for index, route in enumerate(routes) if takes(route.match, *request)), None))
    return set(range(len(routes))) - reached


TEMPLATES = st.lists(st.sampled_from(["a", "b", "{x}", "{y}"]), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "hosts": st.lists(st.sampled_from(["x", "a.x", "*.x", "*.a.x", "y"]), max_size=2).map(tuple),
        "methods": st.lists(st.sampled_from(METHODS), max_size=2).map(tuple),
        "headers": st.dictionaries(
            st.sampled_from(["h", "H", "k"]),
            st.sampled_from(["", "v", "vv", {"exact": "v"}, {"prefix": "v"}, {"prefix": ""}, {"present": True}]),
            max_size=2,
        ),
    },
).flatmap(
    lambda rest: st.one_of(
        st.sampled_from(PATHS).map(lambda path: {"path": path}),
        st.sampled_from(PATHS).map(lambda path: {"path_prefix": path}),
        TEMPLATES.map(lambda path: {"path_template": path}),
    ).map(lambda path: {**rest, **path})
)


def routes_of(matches: list[dict[str, Any]]) -> list[Route]:
    return [
        Route(name=f"r{index}", match=Match.model_validate(match), upstream="u", access="public")
        for index, match in enumerate(matches)
    ]


@given(matches=st.lists(MATCHES, min_size=2, max_size=5))
@example(matches=[{"path_template": "/a/{x}"}, {"path": "/a/"}])
@example(matches=[{"path_prefix": "/"}, {"path": "/"}])
@example(matches=[{"path_prefix": "/a"}, {"path": "/ab"}])
def test_what_is_reported_is_unreachable(matches: list[dict[str, Any]]) -> None:
    routes = routes_of(matches)
    found = dict(shadowed(routes))
    assert set(found) <= unreachable(routes)
    assert all(earlier < later for later, earlier in found.items())


@given(first=MATCHES, second=MATCHES)
def test_of_two_routes_without_hosts_and_headers_nothing_is_missed(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    plain = [
        {key: value for key, value in match.items() if key not in {"headers", "hosts"}} for match in (first, second)
    ]
    assume(not any("path_template" in match for match in plain))  # the world of the oracle is too small for them
    routes = routes_of(plain)
    assert set(dict(shadowed(routes))) == unreachable(routes)


OBVIOUS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"path": "/a"}, {"path": "/a"}),
    ({"path_prefix": "/"}, {"path": "/anything/at/all"}),
    ({"path_prefix": "/a"}, {"path": "/a"}),
    ({"path_prefix": "/a"}, {"path": "/a/"}),
    ({"path_prefix": "/a/"}, {"path_prefix": "/a"}),
    ({"path_prefix": "/a"}, {"path_prefix": "/a/b"}),
    ({"path_prefix": "/a"}, {"path_template": "/a/{x}"}),
    ({"path_template": "/{x}"}, {"path": "/a"}),
    ({"path_template": "/{x}/{y}"}, {"path_template": "/a/{z}"}),
    ({"path_template": "/a"}, {"path": "/a"}),
    ({"path": "/a"}, {"path_template": "/a"}),
    ({"path": "/a"}, {"path": "/a", "hosts": ("x",)}),
    ({"path": "/a", "hosts": ("*.x",)}, {"path": "/a", "hosts": ("a.x", "*.a.x")}),
    ({"path": "/a", "methods": ("GET", "PUT")}, {"path": "/a", "methods": ("PUT",)}),
    ({"path": "/a"}, {"path": "/a", "headers": {"h": "v"}}),
    ({"path": "/a", "headers": {"h": {"present": True}}}, {"path": "/a", "headers": {"H": "v"}}),
    ({"path": "/a", "headers": {"h": "v"}}, {"path": "/a", "headers": {"h": {"exact": "v"}, "k": "w"}}),
    ({"path": "/a", "headers": {"h": {"prefix": "v"}}}, {"path": "/a", "headers": {"h": "vv"}}),
    ({"path": "/a", "headers": {"h": {"prefix": "v"}}}, {"path": "/a", "headers": {"h": {"prefix": "vv"}}}),
]


@pytest.mark.parametrize(("wide", "narrow"), OBVIOUS, ids=str)
def test_the_obvious_is_found(wide: dict[str, Any], narrow: dict[str, Any]) -> None:
    between = {"path": "/elsewhere", "methods": ("GET",)}
    assert (2, 0) in shadowed(routes_of([wide, between, narrow]))


def test_two_thousand_routes_are_compared_in_no_time() -> None:
    matches = [{"path_template": f"/tenant-{index}/{{x}}/orders"} for index in range(2000)]
    assert list(shadowed(routes_of([*matches, {"path": "/tenant-7/a/orders"}]))) == [(2000, 7)]


@given(first=MATCHES, second=MATCHES)
@example(first={"path_prefix": "/a", "methods": ("GET",)}, second={"path": "/a/b"})
@example(first={"path": "/a", "hosts": ("*.x",)}, second={"path": "/a", "hosts": ("a.x", "y")})
def test_what_a_route_is_said_to_lose_it_loses_whole_and_it_keeps_something(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    routes = routes_of([first, second])
    shares = list(shared(routes))
    assert [share[:2] for share in shares] in ([], [(1, 0)])
    assert not (shares and set(dict(shadowed(routes))) == {1}), "that is GC0107"
    for share, request in product(shares, product(ASKED, HOSTS, METHODS, HEADERS)):
        path, host, method, headers = request
        lost = (not share.methods or method in share.methods) and (
            not share.hosts or any(host == own or (own[0] == "*" and host.endswith(own[1:])) for own in share.hosts)
        )
        if lost and takes(routes[1].match, path, host, method, headers):
            assert takes(routes[0].match, path, host, method, headers), request
