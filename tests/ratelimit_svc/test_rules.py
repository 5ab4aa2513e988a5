import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit_svc.keys import counted_network
from ratelimit_svc.policy import MAX_DESCRIPTORS, Adaptive, Limit, Policy, Rate, ResponseCost
from ratelimit_svc.rules import MAX_HITS, Ask, Counter, Descriptor, Mistake, NotLoaded, ask_of, resolve
from tests.ratelimit_svc.conftest import a_limit

MINUTE = 60_000


class Loaded(dict[str, Policy]):
    """Policies by revision; the last one given is in force."""

    def __init__(self, *policies: Policy) -> None:
        super().__init__({policy.revision: policy for policy in policies})
        self.current = policies[-1] if policies else None


def policy(revision: str = "r1", gateway: str = "g", **limits: Limit) -> Policy:
    return Policy(revision=revision, gateway=gateway, limits=limits)


def entries(limit: str, *dimensions: tuple[str, str], revision: str = "r1") -> tuple[tuple[str, str], ...]:
    return (("limit", limit), ("revision", revision), *dimensions)


def counter_of(asked: tuple[tuple[str, str], ...], policies: Loaded) -> Counter | None:
    """The counter of a limit of one rate; None when the limit does not apply."""
    domain = policies.current.gateway if policies.current else "g"
    counters = ask_of(domain, Descriptor(tuple(asked), 1), policies).counters
    assert len(counters) <= 1
    return counters[0] if counters else None


PER_USER = a_limit(10, MINUTE)
BY_BOTH = a_limit(10, MINUTE, per=("user", "plan"))
FREE_ONLY = a_limit(10, MINUTE, when={"plan": ("free", "trial")})
LIMITS = Loaded(policy(per_user=PER_USER, by_both=BY_BOTH, free_only=FREE_ONLY))


def key(*args: tuple[str, str], limit: str = "per_user", policies: Loaded = LIMITS, revision: str = "r1") -> str:
    counter = counter_of(entries(limit, *args, revision=revision), policies)
    assert counter is not None
    return counter.key


@pytest.mark.parametrize(
    "asked",
    [
        (),
        entries("per_user", ("user", "-")),
        entries("by_both", ("user", "alice"), ("plan", "-")),
        entries("free_only", ("user", "alice"), ("plan", "pro")),
        entries("free_only", ("user", "alice"), ("plan", "-")),
        entries("free_only", ("user", "-"), ("plan", "free")),
        entries("free_only", ("user", "alice"), ("plan", "free,pro")),
    ],
)
def test_a_limit_that_is_not_about_this_caller_does_not_apply(asked):
    assert counter_of(asked, LIMITS) is None


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (entries("nobody", ("user", "alice")), "unknown_limit"),
        ((("limit", "per_user"),), "malformed"),
        ((("revision", "r1"), ("limit", "per_user"), ("user", "alice")), "malformed"),
        ((("user", "alice"),), "malformed"),
        ((("user", "alice"), *entries("per_user")), "malformed"),
        ((("name", "per_user"), ("revision", "r1"), ("user", "alice")), "malformed"),
        ((("limit", "per_user"), ("version", "r1"), ("user", "alice")), "malformed"),
        (entries("per_user"), "malformed"),
        (entries("per_user", ("plan", "free")), "malformed"),
        (entries("per_user", ("user", "alice"), ("plan", "free")), "malformed"),
        (entries("per_user", ("user", "alice"), ("user", "bob")), "malformed"),
        (entries("free_only", ("user", "alice")), "malformed"),
        (entries("per_user", ("", "")), "malformed"),
        (entries("", ("user", "alice")), "unknown_limit"),
    ],
)
def test_a_descriptor_that_breaks_the_contract_is_a_mistake_that_repeats_no_value(asked, reason):
    with pytest.raises(Mistake) as caught:
        counter_of(asked, LIMITS)
    assert caught.value.reason == reason
    assert not isinstance(caught.value, NotLoaded)
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "count", "reason"),
    [("", 1, "no_domain"), ("g", 0, "no_descriptors"), ("g", MAX_DESCRIPTORS + 1, "too_many_descriptors")],
)
def test_a_call_without_domain_or_with_the_wrong_number_of_descriptors_is_a_mistake(domain, count, reason):
    with pytest.raises(Mistake) as caught:
        resolve(domain, [Descriptor(entries("per_user", ("user", "alice")), 1)] * count, LIMITS)
    assert caught.value.reason == reason


@pytest.mark.parametrize("revision", ["r1", "r9"])
def test_the_calls_of_another_gateway_are_not_judged_by_the_limits_of_this_one(revision):
    with pytest.raises(Mistake):
        resolve("other", [Descriptor(entries("per_user", ("user", "a"), revision=revision), 1)], LIMITS)


def test_as_many_descriptors_as_a_call_may_have_are_judged():
    asked = Descriptor(entries("per_user", ("user", "alice")), 1)
    assert len(resolve("g", [asked] * MAX_DESCRIPTORS, LIMITS)) == MAX_DESCRIPTORS


def test_a_limit_by_nothing_but_a_header_counts_who_leaves_it_out():
    limit = a_limit(10, MINUTE, per=("header.x-tenant",))
    policies = Loaded(policy(l=limit))
    assert key(limit="l", policies=policies) == key(("header.x-tenant", "-"), limit="l", policies=policies)


def test_a_response_costs_nothing_where_nothing_is_said_of_its_cost():
    ended = (("response.status", "500"), ("response.bytes", "9"))
    assert asked(PER_USER, ("user", "a"), *ended).counters == ()


def test_an_address_has_an_end_and_only_those_are_remembered():
    long = "::1%" + "x" * 10_000
    assert counted_network(long, 32, 64) == long
    assert counted_network("::1%" + "x" * 60, 32, 64) == "::/64"


def test_one_mistake_spoils_the_whole_call():
    good, bad = entries("per_user", ("user", "a")), entries("nobody", ("user", "a"))
    with pytest.raises(Mistake):
        resolve("g", [Descriptor(good, 1), Descriptor(bad, 1)], LIMITS)


def test_asks_come_in_the_order_of_the_descriptors_and_addends_are_capped():
    asks = resolve("g", [Descriptor((), 3), Descriptor(entries("per_user", ("user", "a")), 2**64 - 1)], LIMITS)
    assert asks[0] == Ask("-", (), 3)
    assert asks[1].hits == MAX_HITS
    assert asks[1].name == "per_user"


@pytest.mark.parametrize("value", ["free", "trial"])
def test_when_selects_callers_but_is_not_counted_by(value):
    counted = key(("user", "alice"), ("plan", value), limit="free_only")
    assert counted == key(("user", "alice"), ("plan", "free"), limit="free_only")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((("user", "x_plan"), ("plan", "free")), (("user", "x"), ("plan", "plan_free"))),
        ((("user", "x_plan_free"), ("plan", "")), (("user", "x"), ("plan", "free"))),
        ((("user", 'a","b'), ("plan", "c")), (("user", "a"), ("plan", 'b","c'))),
        ((("user", "a:b"), ("plan", "c")), (("user", "a"), ("plan", "b:c"))),
        ((("user", "a\x00"), ("plan", "b")), (("user", "a"), ("plan", "\x00b"))),
        ((("user", "a"), ("plan", "b")), (("user", "b"), ("plan", "a"))),
        ((("user", "a" * 10_240), ("plan", "b")), (("user", "a" * 10_239), ("plan", "ab"))),
        ((("user", "é"), ("plan", "b")), (("user", "e\u0301"), ("plan", "b"))),
        ((("user", "A"), ("plan", "b")), (("user", "a"), ("plan", "b"))),
        ((("user", ""), ("plan", "b")), (("user", " "), ("plan", "b"))),
    ],
)
def test_different_callers_never_share_a_counter(one, other):
    assert key(*one, limit="by_both") != key(*other, limit="by_both")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_keys_are_equal_exactly_when_the_values_are(one, other):
    def of(values: tuple[str, str]) -> object:
        return counter_of(entries("by_both", ("user", values[0]), ("plan", values[1])), LIMITS)

    if "-" in (*one, *other):
        return
    assert (of(one) == of(other)) == (one == other)


def test_a_key_has_a_bounded_length_and_what_is_counted_together_is_its_cluster_hashtag():
    name = key(("user", "x" * 10_240))
    assert re.fullmatch(r"gatectl:rl:\{[0-9a-f]{40}\}:60000", name)
    both = a_limit(1, 1000).model_copy(
        update={"rates": (Rate(requests=10, window_ms=1000), Rate(requests=250, window_ms=86_400_000))}
    )
    asked = ask_of("g", Descriptor(entries("both", ("user", "a")), 1), Loaded(policy(both=both)))
    tags = {counter.key.rpartition(":")[0] for counter in asked.counters}
    assert (len(asked.counters), len(tags)) == (2, 1)


def test_an_empty_value_is_counted_like_any_other():
    assert key(("user", "")) != key(("user", "alice"))


BASE = a_limit(10, MINUTE, per=("user", "role"))
DAY_RATE = Rate(requests=99, window_ms=86_400_000)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"rates": (Rate(requests=99, window_ms=MINUTE),)},
        {"rates": (DAY_RATE, Rate(requests=10, window_ms=MINUTE))},
        {"per": ("role", "user")},
        {"plans": {"pro": (Rate(requests=99, window_ms=MINUTE),)}},
        {"when": {"plan": ("pro",)}},
        {"exempt": {"plan": ("free",)}},
        {"enforce": False},
        {"count_refused": True},
        {"response_cost": ResponseCost(status={"500": 3})},
        {"detailed": True},
        {"adaptive": Adaptive(least_percent=10, target_latency_ms=100)},
    ],
    ids=lambda change: " ".join(change) or "nothing",
)
def test_a_limit_that_changes_goes_on_with_what_was_counted(change):
    assert counted_anew(Limit.model_validate(BASE.model_dump() | change)) is False


@pytest.mark.parametrize(
    ("change", "name", "gateway"),
    [
        ({"rates": (Rate(requests=10, window_ms=1000),)}, "l", "g"),
        ({"algorithm": "fixed_window"}, "l", "g"),
        ({"per": ("user", "plan")}, "l", "g"),
        ({}, "another", "g"),
        ({}, "l", "another"),
    ],
)
def test_another_window_algorithm_dimension_or_name_is_another_counter(change, name, gateway):
    assert counted_anew(Limit.model_validate(BASE.model_dump() | change), name, gateway) is True


def counted_anew(limit: Limit, name: str = "l", gateway: str = "g") -> bool:
    """Whether none of a caller's counters of ``limit`` is the one of ``BASE``."""
    values = {"user": "alice", "role": "agent", "plan": "pro"}

    def keys(limit: Limit, name: str, gateway: str) -> set[str]:
        asked = Descriptor(entries(name, *((each, values[each]) for each in limit.dimensions)), 1)
        return {each.key for each in ask_of(gateway, asked, Loaded(policy("r1", gateway, **{name: limit}))).counters}

    assert len(keys(BASE, "l", "g")) == 1
    return not keys(BASE, "l", "g") <= keys(limit, name, gateway)


def test_the_revision_picks_the_policy():
    policies = Loaded(policy("r1", limit=PER_USER), policy("r2", limit=a_limit(99, MINUTE)))
    counters = [counter_of(entries("limit", ("user", "a"), revision=revision), policies) for revision in ("r1", "r2")]
    assert [counter.terms.requests for counter in counters if counter] == [10, 99]


def test_an_unknown_revision_is_judged_by_the_limit_of_that_name_in_force():
    counter = counter_of(entries("per_user", ("user", "a"), revision="r9"), LIMITS)
    assert counter is not None
    assert counter.terms.requests == 10


@pytest.mark.parametrize("policies", [Loaded(), LIMITS], ids=["no policy", "no such limit"])
def test_an_unknown_revision_without_such_a_limit_cannot_be_judged(policies):
    with pytest.raises(NotLoaded):
        counter_of(entries("nobody", ("user", "a"), revision="r9"), policies)


@given(st.lists(st.tuples(st.sampled_from(["limit", "revision", "user", "plan", ""]), st.text(max_size=8)), max_size=6))
def test_no_descriptor_crashes_the_rules(soup):
    try:
        counter = counter_of(soup, LIMITS)
    except Mistake:
        return
    assert counter is None or counter.terms.requests == 10


def asked(limit: Limit, *dimensions: tuple[str, str], hits: int = 1, override: Rate | None = None) -> Ask:
    return ask_of("g", Descriptor(entries("l", *dimensions), hits, override), Loaded(policy(l=limit)))


@pytest.mark.parametrize(
    ("plan", "requests"), [("free", [10]), ("pro", [100, 5000]), ("enterprise", []), ("other", [50]), ("-", [50])]
)
def test_a_plan_has_its_own_rates_or_none_at_all(plan, requests):
    limit = a_limit(50, MINUTE).model_copy(
        update={
            "plans": {
                "free": (Rate(requests=10, window_ms=MINUTE),),
                "pro": (Rate(requests=100, window_ms=MINUTE), Rate(requests=5000, window_ms=86_400_000)),
                "enterprise": (),
            }
        }
    )
    ask = asked(limit, ("user", "a"), ("plan", plan))
    assert [counter.terms.requests for counter in ask.counters] == requests


@pytest.mark.parametrize(
    ("role", "address", "applies"),
    [("agent", "192.0.2.1", True), ("admin", "192.0.2.1", False), ("agent", "10.1.2.3", False),
     ("agent", "::ffff:10.1.2.3", False), ("agent", "nonsense", True)],
)  # fmt: skip
def test_who_is_exempt_is_not_counted(role, address, applies):
    limit = a_limit(5, MINUTE, exempt={"role": ("admin",), "client_address": ("192.168.0.0/16", "10.0.0.0/8")})
    ask = asked(limit, ("user", "a"), ("role", role), ("client_address", address))
    assert bool(ask.counters) is applies


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("nonsense", "nonsense", True),
        ("nonsense", "other", False),
    ],
)
@pytest.mark.parametrize(("dimension", "kind"), [("client_address", ""), ("user", "address:")])
def test_addresses_are_counted_by_their_network(one, other, same, dimension, kind):
    keys = {asked(a_limit(5, MINUTE, per=(dimension,)), (dimension, kind + each)).counters for each in (one, other)}
    assert (len(keys) == 1) is same


def test_a_user_whose_name_is_an_address_is_no_address():
    limit = a_limit(5, MINUTE)
    for kind in ("user:", ""):
        assert asked(limit, ("user", f"{kind}2001:db8::1")) != asked(limit, ("user", f"{kind}2001:db8::2"))


@pytest.mark.parametrize("dimension", ["header.x-team", "attribute.tenant"])
def test_who_leaves_a_header_out_is_counted_together_with_all_who_do(dimension):
    limit = a_limit(5, MINUTE, per=(dimension,))
    absent, given_ = (asked(limit, (dimension, value)).counters for value in ("-", "red"))
    assert absent
    assert absent != given_


@pytest.mark.parametrize(
    ("fields", "mode"), [({}, "take"), ({"enforce": False}, "shadow"), ({"count_refused": True}, "always")]
)
def test_the_limit_says_how_it_is_charged(fields, mode):
    assert asked(a_limit(5, MINUTE, **fields), ("user", "a")).mode == mode


def test_an_override_in_the_descriptor_takes_the_place_of_the_rates():
    override = Rate(requests=3, window_ms=1000)
    (counter,) = asked(a_limit(5, MINUTE), ("user", "a"), override=override).counters
    assert (counter.terms.requests, counter.terms.window_ms) == (3, 1000)


@pytest.mark.parametrize(
    ("status", "sent", "hits"),
    [("401", "0", 5), ("404", "10", 2), ("503", "2049", 3), ("200", "2048", 2), ("0", "0", 0), ("-", "-", 0),
     ("", "9" * 19, 9_765_625_000_000_000), ("", "9" * 20, 0), ("200", "\u0662", 0)],
)  # fmt: skip
def test_a_response_costs_by_status_and_size_once_its_stream_has_ended(status, sent, hits):
    cost = ResponseCost(status={"401": 5, "4xx": 1}, bytes_per_hit=1024)
    ended = (("response.status", status), ("response.bytes", sent))
    ask = asked(a_limit(5, MINUTE, response_cost=cost), ("user", "a"), *ended, hits=0)
    assert (ask.hits, bool(ask.counters)) == (hits, hits > 0)
    assert hits == 0 or ask.mode == "add"


def test_two_rates_of_a_limit_over_the_same_window_are_refused():
    rates = (Rate(requests=1, window_ms=1000), Rate(requests=2, window_ms=1000))
    with pytest.raises(ValueError, match="same window"):
        Limit(rates=rates, per=("user",))


def test_a_header_that_the_request_has_not_is_an_entry_that_is_not_there():
    """Envoy leaves it out; all who do without count together."""
    limits = Loaded(policy(teams=a_limit(10, MINUTE, per=("header.x-team", "user"))))
    left_out = key(("user", "user:alice"), limit="teams", policies=limits)
    assert left_out == key(("header.x-team", "-"), ("user", "user:alice"), limit="teams", policies=limits)
    assert left_out != key(("header.x-team", "red"), ("user", "user:alice"), limit="teams", policies=limits)
    with pytest.raises(Mistake):
        key(("header.x-team", "red"), limit="teams", policies=limits)
