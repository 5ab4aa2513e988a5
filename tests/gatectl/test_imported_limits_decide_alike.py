"""What `gatectl import ratelimit` makes of a file decides as the file itself does, by the engines of both."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatectl.compiler.limits import compile_limits, descriptors
from gatectl.diagnostics import SpecError
from gatectl.importing.ratelimit import import_ratelimit
from gatectl.spec.holding import holding
from gatectl.spec.load import load
from gatectl.spec.model import Spec
from ratelimit_svc import engine, rules
from ratelimit_svc.compat import engine as compat_engine
from ratelimit_svc.compat import files
from ratelimit_svc.compat.config import Config
from ratelimit_svc.compat.engine import Asked
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import ABSENT, LIMIT_KEY, REVISION_KEY, Policy

ROUTES = ("search", "login")
BASE = (
    "version: 1\nname: base\nauthentication: {api_keys: {}}\nupstreams: {up: {endpoints: ['127.0.0.1:1']}}\nroutes:\n"
    + "".join(
        f"  - {{name: {name}, match: {{path_prefix: /{name}}}, upstream: up, access: public}}\n" for name in ROUTES
    )
)
NOW_MS = 1_700_000_000_000
Request = dict[str, str]
"""The value of every key of a descriptor that the request has; Envoy leaves out descriptors with another."""
EVERYBODY = tuple(
    {"route": route, "user": user, "ip": ip} | plan | key
    for route, user, ip in itertools.product(ROUTES, ("ann", "vip"), ("192.0.2.1", "192.0.2.9"))
    for plan, key in itertools.product(({}, {"plan": "free"}, {"plan": "pro"}), ({}, {"api_key": "k1"}))
)


def chains(documents: list[dict[str, Any]], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The keys of every descriptor that the documents have a rule for, or could have one."""
    found = set[tuple[str, ...]]()
    for one in documents:
        way = (*above, one["key"])
        found |= {way} | chains(one.get("descriptors", []), way)
    return found


class Old:
    """The file, obeyed as it is."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        text = yaml.safe_dump({"domain": "d", "descriptors": documents})
        self._config: Config = files.load({"c.yaml": text}).config
        self._chains, self._store = sorted(chains(documents)), LocalStore(100_000, lambda: NOW_MS)

    async def allows(self, request: Request) -> bool:
        asked = [
            Asked(tuple((key, request[key]) for key in chain), 1) for chain in self._chains if {*chain} <= {*request}
        ]
        if not asked:
            return True
        counted = compat_engine.select(self._config, "d", asked)
        charges = compat_engine.charges(counted)
        return compat_engine.conclude(counted, charges, await self._store.decide(charges)).allowed


class New:
    """The spec that was made of it."""

    def __init__(self, limits: str, directory: Path) -> None:
        (directory / "base.yaml").write_text(BASE)
        (directory / "limits.yaml").write_text(limits)
        self._spec: Spec = load([str(directory / "base.yaml"), str(directory / "limits.yaml")], {})[0]
        self._policy, self._store = compile_limits(self._spec), LocalStore(100_000, lambda: NOW_MS)

    @property
    def current(self) -> Policy:
        return self._policy

    def get(self, _: str) -> Policy:
        return self._policy

    async def allows(self, request: Request) -> bool:
        told = {"client_address": request["ip"], "user": f"user:{request['user']}"}
        told |= {key: request.get(key, ABSENT) for key in ("plan", "api_key")}
        [route] = [route for route in self._spec.routes if route.name == request["route"]]
        asked = [
            rules.Descriptor(
                (
                    (LIMIT_KEY, descriptor.entries[0].constant or ""),
                    (REVISION_KEY, ""),
                    *((entry.key, entry.constant or told[entry.key]) for entry in descriptor.entries[1:]),
                ),
                1,
            )
            for descriptor in descriptors(self._spec, route, holding(self._spec.rate_limits, route.name))
        ]
        if not asked:
            return True
        asks = rules.resolve(self._policy.gateway, asked, self)
        charges = engine.charges(asks)
        return engine.conclude(asks, charges, await self._store.decide(charges), fallback=False).allowed


def rule(way: str, requests: int = 2, replaces: str = "", **more: Any) -> dict[str, Any]:
    """A descriptor with a rule: ``plan=free/user``."""
    limit: dict[str, Any] = {"unit": "hour", "requests_per_unit": requests} if requests < 9 else {"unlimited": True}
    limit |= {word: more.pop(word) for word in ("name",) if word in more}
    if replaces:
        limit["replaces"] = [{"name": name} for name in replaces.split()]
    *above, last = [dict(zip(("key", "value"), part.split("="), strict=False)) for part in way.split("/")]
    made: dict[str, Any] = {**last, "rate_limit": limit, **more}
    for part in reversed(above):
        made = {**part, "descriptors": [made]}
    return made


SAID = {
    "a value of one thing": (
        [rule("user", name="b"), rule("plan=free", 5, "b")],
        {"b": {"exempt": {"plan": ["free"]}}},
    ),
    "someone unlimited": ([rule("ip", name="b"), rule("user=vip", 9, "b")], {"b": {"exempt": {"user": ["vip"]}}}),
    "two of them": (
        [rule("ip", name="b"), rule("user=vip", 3, "b"), rule("plan=pro", 9, "b")],
        {"b": {"exempt": {"user": ["vip"], "plan": ["pro"]}}},
    ),
    "a route": ([rule("user", name="b"), rule("route=login", 5, "b")], {"route-login": {"instead_of": ["b"]}}),
    "a route, for each caller": (
        [rule("ip", name="b"), rule("route=login/ip", 1, "b", name="a")],
        {"a": {"instead_of": ["b"]}},
    ),
    "those who are in it anyway": (
        [{"key": "plan", "value": "free", "descriptors": [rule("ip", name="b"), rule("user=vip", 5, "b", name="a")]}],
        {"b": {"exempt": {"user": ["vip"]}}},
    ),
    "everybody": ([rule("user", 1, name="b"), rule("ip", 4, "b", name="a")], {"b": None}),
    "a shadow": (
        [rule("user", 1, name="b"), rule("plan=free", 0, "b", shadow_mode=True)],
        {"b": {"exempt": {"plan": ["free"]}}},
    ),
    "nobody it meets": (
        [rule("plan=free/user", 1, name="b"), rule("plan=pro/user", 3, "b", name="a")],
        {"b": {"exempt": None}},
    ),
    "a route that has a descriptor of its own": (
        [rule("route", 3), rule("route=login", 1)],
        {"route-login": {"instead_of": ["route"]}},
    ),
    "a value beside a star": ([rule("user=*", 1), rule("user=vip", 3)], {"user": {"exempt": {"user": ["vip"]}}}),
}
HARMLESS = ("must be a route of the spec", "wherever it could hold it was replaced")


def compare(
    documents: list[dict[str, Any]], requests: list[Request], directory: Path
) -> tuple[dict[str, Any], list[str]]:
    """Limits by name and notes, where the new one never admits what the old one refused, and else is told."""
    text = yaml.safe_dump({"domain": "d", "descriptors": documents}, sort_keys=False)
    made = import_ratelimit("c.yaml", text, {})
    notes = [note.message for note in made.notes if not note.message.endswith(HARMLESS)]
    old, new = Old(documents), New(made.text, directory)

    async def decisions() -> list[tuple[bool, bool]]:
        return [(await old.allows(request), await new.allows(request)) for request in requests]

    both = asyncio.run(decisions())
    if not any("is left out: it" in note for note in notes):
        assert [one for one, (was, now) in zip(requests, both, strict=True) if now and not was] == [], made.text
    if not notes:
        assert [one for one, (was, now) in zip(requests, both, strict=True) if was and not now] == [], made.text
    return {limit["name"]: limit for limit in made.limits}, notes


@pytest.mark.parametrize("what", SAID)
def test_what_is_replaced_by_a_rule_for(what: str, tmp_path: Path) -> None:
    documents, expected = SAID[what]
    limits, notes = compare(documents, [*EVERYBODY] * 3, tmp_path)
    assert notes == []
    for name, fields in expected.items():
        assert (name in limits) == (fields is not None)
        assert {field: limits[name].get(field) for field in fields or {}} == (fields or {})


NOT_SAID = {
    "only for callers who have api_key": [rule("ip", name="b"), rule("api_key", 5, "b", name="a")],
    "only for plan free and user vip": [rule("ip", name="b"), rule("plan=free/user=vip", 5, "b", name="a")],
    "only for route login and user vip": [rule("ip", name="b"), rule("route=login/user=vip", 5, "b", name="a")],
    "it stands in for others on its route": [
        rule("user", name="x"),
        {
            "key": "route",
            "value": "login",
            "descriptors": [rule("ip", 3, "x", name="b"), rule("upstream", 5, "b", name="a")],
        },
    ],
    "only for route login": [rule("ip", name="b"), rule("route=login", 9, "b", name="a")],
    "not for user vip, which had a descriptor of its own": [
        rule("ip", name="b"), rule("user=vip"), rule("user", 5, "b", name="a"),
    ],
    "patterns took some values from the one that replaces": [
        rule("ip", name="b"), rule("user=v*"), rule("user", 5, "b", name="a"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("reason", NOT_SAID)
def test_what_cannot_be_said_of_a_replacement_is_told_and_both_limits_hold(reason: str, tmp_path: Path) -> None:
    limits, notes = compare(NOT_SAID[reason], [*EVERYBODY] * 3, tmp_path)
    assert any('replaced "b", and now both limits hold: ' + reason in note for note in notes)
    assert "exempt" not in limits["b"]


PAIRS = [("user", ""), ("user", "*"), ("user", "vip"), ("user", "v*"), ("plan", "free"), ("plan", "pro"), ("plan", "")]
PAIRS += [("route", ""), ("route", "login"), ("ip", ""), ("ip", ""), ("api_key", "")]


@st.composite
def configurations(draw: st.DrawFn, depth: int = 2) -> list[dict[str, Any]]:
    """Descriptors of some keys and values, most with a rule, most of them named and replaced."""
    made = []
    for key, value in draw(st.lists(st.sampled_from(PAIRS), unique=True, min_size=2 if depth > 1 else 1, max_size=4)):
        node: dict[str, Any] = {"key": key} | ({"value": value} if value else {})
        if draw(st.integers(0, 4)):
            name = draw(st.sampled_from(["", "a", "b"]))
            replaces = draw(st.sampled_from(["", *sorted({"a", "b"} - {name})]))
            node = rule(f"{key}={value}" if value else key, draw(st.sampled_from([0, 1, 3, 9])), replaces, name=name)
            node["shadow_mode"] = draw(st.integers(0, 6)) == 0
        if depth > 1 and not draw(st.integers(0, 3)):
            node["descriptors"] = draw(configurations(depth=depth - 1))
        made.append(node)
    return made


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imported")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(documents=configurations())
def test_whatever_the_file_says_nothing_becomes_looser_and_what_becomes_stricter_is_told(
    directory: Path, documents: list[dict[str, Any]]
) -> None:
    try:
        compare(documents, [*EVERYBODY], directory)
    except SpecError as error:
        assert "there is no limit" in str(error)  # noqa: PT017 - nothing may be left
