"""Requests at a time: a lease is one request's, is given back once, and is not to be had twice."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit_svc.engine import charges
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import ABSENT, ENDED, Limit, Policy, Rate
from ratelimit_svc.redis import open_store as store_at
from ratelimit_svc.rules import LONGEST_LEASE, Descriptor, Mistake, ask_of
from ratelimit_svc.store import Charge, Terms
from serving.redis_location import parse
from tests.ratelimit_svc.test_redis_store import fresh
from tests.ratelimit_svc.test_rules import Loaded, entries

MINUTE = 60_000
LIMITS = Loaded(
    Policy(
        revision="r1",
        gateway="g",
        limits={
            name: Limit(algorithm="concurrency", rates=(Rate(requests=2, window_ms=MINUTE),), per=("user",), **fields)
            for name, fields in {
                "two": {},
                "shadow": {"enforce": False},
                "spared": {"exempt": {"user": ("u",)}},
            }.items()
        },
    )
)


def ask(lease: str, *, limit: str = "two", hits: int = 1, give_back: bool = False, ended: bool = False):
    told = ((key, ABSENT) for key in ENDED) if ended else ()
    asked = entries(limit, ("user", "u"), ("lease", lease), *told)
    return ask_of("g", Descriptor(asked, hits, give_back=give_back), LIMITS)


@pytest.mark.parametrize(
    ("asked", "hits", "mode"),
    [
        ({}, 1, "take"),
        ({"hits": 0}, 0, "take"),
        ({"hits": 2**64 - 1}, 1, "take"),
        ({"limit": "shadow"}, 1, "shadow"),
        ({"ended": True}, 1, "give_back"),
        ({"ended": True, "hits": 0}, 1, "give_back"),
        ({"ended": True, "limit": "shadow"}, 1, "give_back"),
        ({"give_back": True}, 1, "give_back"),
        ({"give_back": True, "hits": 7}, 1, "give_back"),
    ],
)
def test_a_request_takes_one_lease_and_its_end_or_a_refund_gives_it_back(asked, hits, mode):
    [charge] = charges([ask("a", **asked)])
    assert (charge.hits, charge.mode, charge.lease) == (hits, mode, "a")


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("lease", ["", ABSENT, "x" * (LONGEST_LEASE + 1)])
def test_a_request_without_a_name_or_with_an_endless_one_is_a_mistake(lease, ended):
    with pytest.raises(Mistake):
        ask(lease, ended=ended)


def test_a_name_may_be_as_long_as_that():
    assert charges([ask("x" * LONGEST_LEASE)])


def test_one_request_has_one_name_and_either_begins_or_ends():
    assert charges([ask("a"), ask("a")]) == charges([ask("a")])
    for other in (ask("b"), ask("a", give_back=True)):
        with pytest.raises(Mistake):
            charges([ask("a"), other])


def test_who_is_exempt_holds_no_lease():
    assert not ask("a", limit="spared").counters


async def test_of_requests_under_one_name_one_is_admitted_at_a_time(server, open_store):
    store, one = await open_store(server.url), Charge(fresh(), Terms("concurrency", 9, MINUTE), 1, lease="a")
    other, end = one._replace(lease="b"), one._replace(mode="give_back")
    assert [(await store.decide([each])).allowed for each in (one, one, other, one)] == [True, False, True, False]
    for _ in range(2):  # it is given back once, whoever tells of it again
        await store.decide([end])
    assert (await store.decide([one._replace(hits=0)])).readings[0].room == 8
    assert (await store.decide([one])).allowed


@given(
    requests=st.integers(0, 4),
    calls=st.lists(
        st.tuples(
            st.sampled_from("abcdef"), st.integers(0, 3), st.sampled_from(["take", "take", "shadow", "give_back"])
        ),
        min_size=1,
        max_size=40,
    ),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_leases_are_those_of_a_set_of_names_in_redis_and_in_python(server, requests, calls):
    store = store_at(parse(server.url), 5, Fallback(LocalStore(1), 1, lambda: 1))
    now_ms, held, key, terms = 0, set(), fresh(), Terms("concurrency", requests, MINUTE)
    twin = LocalStore(1000, lambda: now_ms)
    try:
        for lease, hits, mode in calls:
            charge = Charge(key, terms, hits, mode, lease)
            room = 0 if mode != "give_back" and hits and lease in held else requests - len(held)
            verdict = await store.decide([charge])
            now_ms = verdict.now_ms  # the twin's clock is the server's
            assert verdict == await twin.decide([charge])
            assert verdict.readings[0].room == room
            if mode == "give_back" and hits:
                held.discard(lease)
            elif hits and room >= hits:
                held.add(lease)
            assert len(held) <= requests
    finally:
        await store.close()
