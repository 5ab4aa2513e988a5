"""What a change lets through that rate limits held back."""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from gatectl.changes.openings import Opening
from gatectl.changes.reach import Routing
from ratelimit_svc import policy as limits

_FILTER = "envoy.filters.http.ratelimit"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def limit_openings(old: limits.Policy, new: limits.Policy, was: Routing, now: Routing) -> Iterator[Opening]:
    """Each limit that holds fewer callers, or holds them to more; then what is said of all limits.

    One that refused nobody (``enforce: false``) held nobody back.
    """
    spared, cheaper = _spared(was, now), _costs_less(was, now)
    enforced = {name: limit for name, limit in old.limits.items() if limit.enforce}
    for name, known in enforced.items():
        title, limit = f'rate limit "{name}"', new.limits.get(name)
        if limit is None:
            yield title, "it goes"
            continue
        yield from ((title, opened) for opened in (*_numbers(known, limit), *_terms(known, limit)))
        if name in cheaper:
            yield title, "a request counts for less on a route"
        if name in spared:
            yield title, "it leaves out routes where it counted before"
    held = [limit for name, limit in enforced.items() if name in new.limits]
    yield from (("rate limiting", opened) for opened in _of_all(held, old, new))


def _of_all(held: Sequence[limits.Limit], old: limits.Policy, new: limits.Policy) -> Iterator[str]:
    """What is said of all limits at once, for those that stay."""
    if held and old.gateway != new.gateway:
        yield "the gateway is called otherwise, and every counter starts from zero"
    by_address = any({"user", "client_address"} & set(limit.per) for limit in held)  # without a user it is the address
    if by_address and (new.ipv4_prefix > old.ipv4_prefix or new.ipv6_prefix > old.ipv6_prefix):
        yield "addresses that were counted as one caller are several"
    if held and (old.on_store_failure, new.on_store_failure) == ("deny", "allow"):
        yield "requests pass with local counters while Redis is away"


def _numbers(was: limits.Limit, now: limits.Limit) -> Iterator[str]:
    """How much it admits."""
    plans = [(now.plans.get(plan, now.rates), was.plans.get(plan, was.rates)) for plan in {*was.plans, *now.plans}]
    if not _all_as_tight(now, was, now.rates, was.rates):
        yield "it admits more than before, at once or over time"
    elif any(not _all_as_tight(now, was, rates, known) for rates, known in plans):
        yield "it admits more than before for a plan"
    elif (now.algorithm, was.algorithm) == ("fixed_window", "sliding_window"):
        yield "around the edge of a fixed window it admits up to twice as much"
    elif was.algorithm != now.algorithm and (was.algorithm != "fixed_window" or now.algorithm == "concurrency"):
        yield "it counts in another way, and starts from zero"
    elif now.algorithm == "quota" and any(
        not _goes_on(rates, known) for rates, known in [(now.rates, was.rates), *plans]
    ):
        yield "its periods are others, and start from zero"


def _goes_on(rates: Sequence[limits.Rate], known: Sequence[limits.Rate]) -> bool:
    """Whether what is used up of each quota stays so: a tighter one of another period begins unused."""
    there = {rate.period for rate in known}
    return all(any(rate.period in there and _as_tight(rate, other) for rate in rates) for other in known)


def _terms(was: limits.Limit, now: limits.Limit) -> Iterator[str]:
    """Whom it holds, and to what."""
    if was.enforce and not now.enforce:
        yield "it counts, and refuses nobody any more"
    if was.count_refused and not now.count_refused:
        yield "requests that are refused do not count any more"
    if not all(_all_among(trait, values, was.exempt.get(trait, ())) for trait, values in now.exempt.items()):
        yield "it exempts more callers"
    if now.response_cost != was.response_cost and _cheaper(was.response_cost, now.response_cost):
        yield "responses cost less in it, or requests nothing"
    if was.adaptive is not None and (now.adaptive is None or _firmer(was.adaptive, now.adaptive)):
        yield "it gives way less, or later, while what is behind it is in trouble"
    if not all(trait in was.when and _all_among(trait, was.when[trait], values) for trait, values in now.when.items()):
        yield "it holds fewer callers"
    if set(now.per) != set(was.per):
        yield "it counts by something else, and starts from zero"
    if now.time_zone != was.time_zone:
        yield "its days begin at another time, and it may start from zero"


def _all_among(trait: str, values: Sequence[str], listed: Sequence[str]) -> bool:
    """Whether everybody who has one of the values also has one of those listed: of addresses, in a network of them."""
    if trait != "client_address":
        return set(values) <= set(listed)
    around = list(map(ipaddress.ip_network, listed))
    return all(any(_inside(ipaddress.ip_network(value), other) for other in around) for value in values)


def _inside(network: _Network, other: _Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


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
