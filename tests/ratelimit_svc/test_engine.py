from itertools import permutations

import pytest

from ratelimit_svc.client_headers import headers as headers_of
from ratelimit_svc.engine import Decision, allowance, charges, conclude, period
from ratelimit_svc.rules import MAX_HITS, Ask, Counter, Mistake
from ratelimit_svc.store import Charge, Mode, Reading, Terms, Verdict, refuses

T0 = 1_800_000_000_000  # a multiple of every window used here


def counter(key: str, requests: int = 10, window_ms: int = 60_000) -> Counter:
    return Counter(key, Terms("fixed_window", requests, window_ms))


def decide(
    *asked: tuple[Counter | None, int, int], now_ms: int = T0, fallback: bool = False, mode: Mode = "take"
) -> Decision:
    """The decision on (counter, hits, used before) of each descriptor."""
    asks = [Ask("-", (), hits) if each is None else Ask(each.key, (each,), hits, mode) for each, hits, _ in asked]
    return conclusion(asks, {each.key: used for each, _, used in asked if each is not None}, now_ms, fallback=fallback)


def conclusion(asks: list[Ask], used: dict[str, int], now_ms: int = T0, *, fallback: bool = False) -> Decision:
    charged = charges(asks)
    readings = tuple(
        Reading(charge.terms.requests - used[charge.key], charge.terms.window_ms - now_ms % charge.terms.window_ms)
        for charge in charged
    )
    allowed = not any(refuses(charge, reading.room) for charge, reading in zip(charged, readings, strict=True))
    return conclude(asks, charged, Verdict(allowed, now_ms, readings), fallback=fallback)


ONE_AT_A_TIME = Counter("d", Terms("concurrency", 1, 60_000))
A, B, C = counter("a"), counter("b", requests=5, window_ms=1000), counter("c", requests=0, window_ms=3_600_000)


@pytest.mark.parametrize(
    ("asked", "allowed", "limiting", "over", "remaining"),
    [
        ([(A, 1, 0)], True, "a", [False], [9]),
        ([(A, 1, 9)], True, "a", [False], [0]),
        ([(A, 1, 10)], False, "a", [True], [0]),
        ([(A, 1, 25)], False, "a", [True], [0]),
        ([(A, 3, 8)], False, "a", [True], [2]),
        ([(A, 0, 9)], True, "a", [False], [1]),
        ([(A, 0, 10)], False, "a", [True], [0]),
        ([(A, MAX_HITS, 0)], False, "a", [True], [10]),
        ([(C, 1, 0)], False, "c", [True], [0]),
        ([(C, 0, 0)], False, "c", [True], [0]),
        ([(A, 1, 0), (B, 1, 0)], True, "b", [False, False], [9, 4]),
        ([(A, 1, 8), (B, 1, 0)], True, "a", [False, False], [1, 4]),
        ([(A, 1, 5), (B, 1, 0)], True, "a", [False, False], [4, 4]),
        ([(A, 1, 3), (B, 1, 5)], False, "b", [False, True], [7, 0]),
        ([(A, 1, 10), (B, 1, 5)], False, "a", [True, True], [0, 0]),
        ([(ONE_AT_A_TIME, 1, 0)], True, "d", [False], [0]),
        ([(ONE_AT_A_TIME, 1, 0), (A, 1, 2)], True, "a", [False, False], [0, 7]),
        ([(ONE_AT_A_TIME, 1, 1), (A, 1, 2)], False, "d", [True, False], [0, 8]),
        ([(B, 1, 5), (A, 1, 10), (C, 1, 0)], False, "c", [True, True, True], [0, 0, 0]),
    ],
)
def test_every_descriptor_gets_its_status_and_the_tightest_limit_is_named(asked, allowed, limiting, over, remaining):
    decision = decide(*asked)
    assert decision.allowed is allowed
    assert decision.limiting is not None
    assert decision.limiting.name == limiting
    assert [status.over for status in decision.statuses if status] == over
    assert [status.tightest.remaining for status in decision.statuses if status] == remaining


def test_a_call_that_no_limit_applies_to_is_allowed_without_headers():
    decision = decide((None, 1, 0), (None, 1, 0))
    assert decision.allowed
    assert decision.statuses == (None, None)
    assert decision.limiting is None
    assert headers_of(decision) == ()


def test_statuses_keep_the_order_of_the_descriptors_with_gaps_for_those_without_a_limit():
    statuses = decide((B, 1, 0), (None, 1, 0), (A, 1, 0)).statuses
    assert [status and status.name for status in statuses] == ["b", None, "a"]


def test_descriptors_about_one_counter_are_charged_together():
    decision = decide((A, 4, 3), (A, 4, 3))
    assert not decision.allowed
    assert [status.over for status in decision.statuses if status] == [True, True]
    asks = [Ask("a", (A,), 4), Ask("-", (), 1), Ask("a", (A,), MAX_HITS)]
    assert charges(asks) == [Charge("a", A.terms, MAX_HITS)]


def test_two_revisions_of_a_limit_in_one_call_are_held_to_the_stricter_one():
    strict = counter("a", requests=3)
    for asks in permutations([Ask("a", (A,), 1, "shadow"), Ask("a", (strict,), 1)]):
        assert charges(asks) == [Charge("a", strict.terms, 2, "take")]


@pytest.mark.parametrize("mode", ["take", "shadow", "always", "add"])
def test_what_a_call_takes_it_cannot_give_back(mode):
    for asks in permutations([Ask("a", (A,), 1, mode), Ask("a", (A,), 1, "give_back")]):
        with pytest.raises(Mistake):
            charges(asks)
    assert charges([Ask("a", (A,), 1, "give_back")] * 2) == [Charge("a", A.terms, 2, "give_back")]


@pytest.mark.parametrize(
    ("used", "over", "tightest", "remaining"),
    [((0, 0), False, "a", 4), ((0, 12), False, "b", 2), ((5, 12), True, "a", 0), ((5, 15), True, "b", 0)],
)
def test_of_a_limit_with_several_rates_the_tightest_is_told(used, over, tightest, remaining):
    second, day = counter("a", 5, 1000), counter("b", 15, 86_400_000)
    decision = conclusion([Ask("both", (second, day), 1)], {"a": used[0], "b": used[1]})
    (status,) = decision.statuses
    assert status is not None
    assert decision.allowed is not over
    assert status.tightest.terms == (second if tightest == "a" else day).terms
    assert status.tightest.remaining == remaining
    assert dict(headers_of(decision))["x-ratelimit-limit"] == str(status.tightest.terms.requests)


@pytest.mark.parametrize("mode", ["shadow", "add", "give_back"])
def test_what_is_not_enforced_refuses_nothing_and_is_not_told_to_the_client(mode):
    decision = decide((A, 1, 10), mode=mode)
    (status,) = decision.statuses
    assert status is not None
    assert (decision.allowed, status.over, status.refuses) == (True, True, False)
    assert decision.limiting is None
    assert headers_of(decision) == ()


def test_refused_calls_that_are_counted_leave_nothing():
    (status,) = decide((A, 3, 8), mode="always").statuses
    assert status is not None
    assert (status.refuses, status.tightest.remaining) == (True, 0)


@pytest.mark.parametrize(
    ("limit", "detail"),
    [
        (counter("per-user", 100), 'limit "per-user" allows 100 requests per minute; try again in 12 s'),
        (counter("x", 1, 300_000), 'limit "x" allows 1 request per 5 minutes; try again in 252 s'),
        (counter("x", 0), 'limit "x" allows no requests'),
    ],
)
def test_the_refusal_is_one_sentence(limit, detail):
    assert decide((limit, 1, 100), now_ms=T0 + 48_000).detail() == detail


@pytest.mark.parametrize(
    ("window_ms", "words"),
    [
        (1000, "second"),
        (90_000, "90 seconds"),
        (60_000, "minute"),
        (7_200_000, "2 hours"),
        (86_400_000, "day"),
        (604_800_000, "7 days"),
        (1500, "1500 ms"),
        (1, "1 ms"),
    ],
)
def test_windows_read_as_words(window_ms, words):
    assert period(window_ms) == words


@pytest.mark.parametrize(
    ("used", "fallback", "outcome"),
    [(0, False, "ok"), (10, False, "over_limit"), (0, True, "fallback_ok"), (10, True, "fallback_over_limit")],
)
def test_the_outcome_says_whether_the_fallback_decided(used, fallback, outcome):
    assert decide((A, 1, used), fallback=fallback).outcome == outcome


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (Terms("sliding_window", 1, 60_000), "1 request per minute"),
        (Terms("fixed_window", 100, 300_000), "100 requests per 5 minutes"),
        (Terms("token_bucket", 100, 60_000), "100 requests per minute"),
        (Terms("token_bucket", 100, 60_000, 20), "100 requests per minute, 20 at once"),
        (Terms("leaky_bucket", 100, 60_000), "100 requests per minute, 1 at once"),
        (Terms("leaky_bucket", 1, 1000), "1 request per second"),
        (Terms("concurrency", 5, 60_000), "5 requests at once"),
        (Terms("quota", 9, 86_400_000, None, "day", "Europe/Berlin"), "9 requests per day (Europe/Berlin)"),
    ],
)
def test_an_allowance_is_told_as_its_algorithm_means_it(terms, told):
    assert allowance(terms) == told
