"""What clients read: two fields of the draft, three of old, and when to come back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit_svc.client_headers import LARGEST, MOST_ITEMS, headers
from ratelimit_svc.engine import Decision, charges, conclude
from ratelimit_svc.rules import Ask, Counter
from ratelimit_svc.store import Reading, Terms, Verdict, refuses

ITEM = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"((?:;[a-z]+=(?:\d{1,15}|"[a-z-]+"))+)(?:, |$)')
"""A string of a structured field with its parameters (RFC 9651)."""


def decided(*limits: tuple[str, list[tuple[Terms, int]]], mode: str = "take", until_ms: int = 30_000) -> Decision:
    """The decision on one hit of each limit: (name, its rates with what is left of each)."""
    asks, rooms = [], {}
    for name, rates in limits:
        counters = tuple(Counter(f"{len(asks)} {index}", terms) for index, (terms, _) in enumerate(rates))
        rooms |= {counter.key: room for counter, (_, room) in zip(counters, rates, strict=True)}
        asks.append(Ask(name, counters, 1, mode))  # type: ignore[arg-type]
    charged = charges(asks)
    readings = tuple(Reading(rooms[charge.key], until_ms) for charge in charged)
    allowed = not any(refuses(charge, reading.room) for charge, reading in zip(charged, readings, strict=True))
    return conclude(asks, charged, Verdict(allowed, 0, readings), fallback=False)


def read(value: str) -> dict[str, dict[str, str]]:
    """A field by its items: name, and parameters as they are written."""
    assert "".join(match[0] for match in ITEM.finditer(value)) == value
    items = [(match[1], dict(part.split("=") for part in match[2][1:].split(";"))) for match in ITEM.finditer(value)]
    assert len(dict(items)) == len(items)
    return dict(items)


MINUTE, DAY = Terms("fixed_window", 10, 60_000), Terms("sliding_window", 250, 86_400_000)


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (
            decided(("per-user", [(MINUTE, 7)])),
            {"ratelimit-policy": '"per-user";q=10;w=60', "ratelimit": '"per-user";r=6;t=30', "x-ratelimit-limit": "10",
             "x-ratelimit-remaining": "6", "x-ratelimit-reset": "30"},
        ),
        (
            decided(("per-user", [(MINUTE, 7), (DAY, 0)])),
            {"ratelimit-policy": '"per-user:day";q=250;w=86400, "per-user:minute";q=10;w=60',
             "ratelimit": '"per-user:day";r=0;t=30, "per-user:minute";r=7;t=30', "x-ratelimit-limit": "250",
             "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30", "retry-after": "30"},
        ),
        (
            decided(("a", [(MINUTE, 9)]), ("b", [(DAY, 5)]), until_ms=1),
            {"ratelimit-policy": '"a";q=10;w=60, "b";q=250;w=86400', "ratelimit": '"b";r=4;t=1, "a";r=8;t=1',
             "x-ratelimit-limit": "250", "x-ratelimit-remaining": "4", "x-ratelimit-reset": "1"},
        ),
        (
            decided(("streams", [(Terms("concurrency", 5, 60_000), 0)]), until_ms=1000),
            {"ratelimit-policy": '"streams";q=5;qu="concurrent-requests"', "ratelimit": '"streams";r=0',
             "x-ratelimit-limit": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1", "retry-after": "1"},
        ),
        (
            decided(("q", [(Terms("quota", 2**53, 31 * 86_400_000, None, "month"), 2**53)]), until_ms=1500),
            {"ratelimit-policy": f'"q";q={LARGEST};w=2678400', "ratelimit": f'"q";r={LARGEST};t=2',
             "x-ratelimit-limit": str(2**53), "x-ratelimit-remaining": str(2**53 - 1), "x-ratelimit-reset": "2"},
        ),
        (decided(("shadow", [(MINUTE, 0)]), mode="shadow"), {}),
        (decided(), {}),
    ],
)  # fmt: skip
def test_a_client_is_told_every_rate_and_first_the_one_to_look_at(decision: Decision, told: dict[str, str]) -> None:
    assert dict(headers(decision)) == told


def test_of_two_descriptors_about_one_limit_the_one_to_look_at_is_told() -> None:
    other = MINUTE._replace(requests=9)
    told = dict(headers(decided(("per-user", [(MINUTE, 0)]), ("per-user", [(other, 5)]))))
    assert told["ratelimit"] == '"per-user";r=0;t=30'
    assert told["x-ratelimit-remaining"] == "0"


def test_a_name_that_is_no_text_of_a_header_cannot_break_out_of_it() -> None:
    told = dict(headers(decided(('a"b\\c\r\nx: y~\u00e9\x7f', [(MINUTE, 5)]))))
    assert told["ratelimit"] == '"a\\"b\\\\cx: y~";r=4;t=30'


def test_at_most_sixteen_rates_are_told_the_one_to_look_at_among_them() -> None:
    told = dict(headers(decided(*[(f"l{index:02}", [(MINUTE, 9 if index < 19 else 3)]) for index in range(20)])))
    assert [len(read(told[name])) for name in ("ratelimit", "ratelimit-policy")] == [16, 16]
    assert next(iter(read(told["ratelimit"]))) == "l19"


rates = st.lists(
    st.tuples(
        st.builds(
            Terms,
            st.sampled_from(["fixed_window", "concurrency"]),
            st.integers(0, 2**53),
            st.just(0),
            *map(st.just, (None, None, "UTC")),
        ),
        st.integers(-5, 2**53),
    ),
    min_size=1,
    max_size=3,
)


@given(limits=st.lists(rates, min_size=1, max_size=10), until_ms=st.integers(1, 10**12))
def test_the_fields_never_contradict_each_other(limits: list[list[tuple[Terms, int]]], until_ms: int) -> None:
    named = [
        (f"l{index}", [(terms._replace(window_ms=1000 * (step + 1)), room) for step, (terms, room) in enumerate(each)])
        for index, each in enumerate(limits)
    ]
    decision = decided(*named, until_ms=until_ms)
    told = dict(headers(decision))
    policies, services = read(told["ratelimit-policy"]), read(told["ratelimit"])
    assert list(policies) == sorted(services)
    assert 1 <= len(policies) <= MOST_ITEMS
    first = next(iter(services))
    assert int(policies[first]["q"]) == min(int(told["x-ratelimit-limit"]), LARGEST)
    assert int(services[first]["r"]) == min(int(told["x-ratelimit-remaining"]), LARGEST)
    assert services[first].get("t", told["x-ratelimit-reset"]) == told["x-ratelimit-reset"]
    assert ("retry-after" in told) is not decision.allowed
    assert told.get("retry-after", told["x-ratelimit-reset"]) == told["x-ratelimit-reset"]
