"""What a change lets through that rate limits held back."""

from collections.abc import Iterator, Sequence
from typing import Any

from gatectl.changes.openings import Opening
from gatectl.changes.reach import Routing
from ratelimit_svc import policy as limits

_FILTER = "envoy.filters.http.ratelimit"


def limit_openings(old: limits.Policy, new: limits.Policy, was: Routing, now: Routing) -> Iterator[Opening]:
    """Each limit that holds fewer callers, or holds them to more; then what is said of all limits."""
    spared, cheaper = _spared(was, now), _costs_less(was, now)
    for name, known in old.limits.items():
        title, limit = f'rate limit "{name}"', new.limits.get(name)
        if limit is None:
            yield title, "it goes"
            continue
        yield from ((title, opened) for opened in (*_numbers(known, limit), *_terms(known, limit)))
        if name in cheaper:
            yield title, "a request counts for less on a route"
        if name in spared:
            yield title, "it leaves out routes where it counted before"
    if new.ipv4_prefix > old.ipv4_prefix or new.ipv6_prefix > old.ipv6_prefix:
        yield "rate limiting", "addresses that were counted as one caller are several"
    if (old.on_store_failure, new.on_store_failure) == ("deny", "allow"):
        yield "rate limiting", "requests pass with local counters while Redis is away"


def _numbers(was: limits.Limit, now: limits.Limit) -> Iterator[str]:
    """How much it admits."""
    plans = ((now.plans.get(plan, now.rates), was.plans.get(plan, was.rates)) for plan in {*was.plans, *now.plans})
    if not _all_as_tight(now, was, now.rates, was.rates):
        yield "it admits more than before, at once or over time"
    elif any(not _all_as_tight(now, was, rates, known) for rates, known in plans):
        yield "it admits more than before for a plan"
    elif (now.algorithm, was.algorithm) == ("fixed_window", "sliding_window"):
        yield "around the edge of a fixed window it admits up to twice as much"
    elif was.algorithm != now.algorithm and (was.algorithm != "fixed_window" or now.algorithm == "concurrency"):
        yield "it counts in another way, and starts from zero"


def _terms(was: limits.Limit, now: limits.Limit) -> Iterator[str]:
    """Whom it holds, and to what."""
    if was.enforce and not now.enforce:
        yield "it counts, and refuses nobody any more"
    if was.count_refused and not now.count_refused:
        yield "requests that are refused do not count any more"
    if any(not set(values) <= set(was.exempt.get(trait, ())) for trait, values in now.exempt.items()):
        yield "it exempts more callers"
    if now.response_cost != was.response_cost and _cheaper(was.response_cost, now.response_cost):
        yield "responses cost less in it, or requests nothing"
    if was.adaptive is not None and (now.adaptive is None or _firmer(was.adaptive, now.adaptive)):
        yield "it gives way less, or later, while what is behind it is in trouble"
    if now.per != was.per or _callers(now) != _callers(was):
        yield "it counts by something else, and starts from zero"


def _all_as_tight(
    now: limits.Limit, was: limits.Limit, rates: Sequence[limits.Rate], known: Sequence[limits.Rate]
) -> bool:
    """Whether rates admit no more than others did, in the same way of counting or another."""
    return all(any(_as_tight(rate, other) and _as_short(now, was, rate, other) for rate in rates) for other in known)


def _as_short(now: limits.Limit, was: limits.Limit, rate: limits.Rate, known: limits.Rate) -> bool:
    """Whether no more is let in at once by a bucket, nor for longer by a lease."""
    if now.algorithm == was.algorithm == "concurrency":
        return rate.window_ms >= known.window_ms
    return _at_once(now, rate) <= _at_once(was, known)


def _at_once(limit: limits.Limit, rate: limits.Rate) -> int:
    """What a rate admits at one moment; a leaky bucket of which nothing is said spaces its hits."""
    usual = max(1, -(-rate.requests // rate.window_ms)) if limit.algorithm == "leaky_bucket" else rate.requests
    return usual if rate.burst is None else rate.burst


def _cheaper(was: limits.ResponseCost | None, now: limits.ResponseCost | None) -> bool:
    """Does a response cost less than before, or a request nothing that cost something?"""
    if was is None or now is None:
        return True
    size = was.bytes_per_hit is not None and (now.bytes_per_hit is None or now.bytes_per_hit > was.bytes_per_hit)
    keys = was.status.keys() | now.status.keys()
    return size or any(_of(now, status) < _of(was, status) for status in keys)


def _of(cost: limits.ResponseCost, status: str) -> int:
    return cost.status.get(status, cost.status.get(f"{status[:1]}xx", 0))


def _as_tight(now: limits.Rate, was: limits.Rate) -> bool:
    """Whether a rate admits no more than another, neither at once nor over time."""
    return now.requests <= was.requests and now.requests * was.window_ms <= was.requests * now.window_ms


def _firmer(was: limits.Adaptive, now: limits.Adaptive) -> bool:
    """Does an adaptive limit hold on to more, or bear more before it gives way?"""
    fields = ("least_percent", "target_latency_ms", "max_slow_percent", "max_error_percent")
    in_flight = was.max_in_flight is not None and (now.max_in_flight is None or now.max_in_flight > was.max_in_flight)
    return in_flight or any(getattr(now, field) > getattr(was, field) for field in fields)


def _callers(limit: limits.Limit) -> dict[str, set[str]]:
    return {dimension: set(values) for dimension, values in limit.when.items()}


def _spared(was: Routing, now: Routing) -> set[str]:
    """Limits that a route was counted by and is not any more."""
    old, new = ({name: _counted(one) for name, one in each.routes.items()} for each in (was, now))
    return {limit for name in old.keys() & new.keys() for limit in old[name].keys() - new[name].keys()}


def _costs_less(was: Routing, now: Routing) -> set[str]:
    """Limits in which a request of a route counts for less than before."""
    old, new = ({name: _counted(one) for name, one in each.routes.items()} for each in (was, now))
    return {
        limit
        for name in old.keys() & new.keys()
        for limit, hits in new[name].items()
        if hits < old[name].get(limit, hits)
    }


def _counted(route: dict[str, Any]) -> dict[str, int]:
    """The limits that count a route's requests, and what a request counts."""
    sent = route.get("typed_per_filter_config", {}).get(_FILTER, {}).get("rate_limits", [])
    asked = [limit for limit in sent if not limit.get("apply_on_stream_done")]
    return {
        limit["actions"][0]["generic_key"]["descriptor_value"]: limit.get("hits_addend", {"number": 1})["number"]
        for limit in asked
    }
