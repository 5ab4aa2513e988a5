"""Rate limits → the limiter's policy and, from the same values, the descriptors that Envoy sends.

Both sides of a descriptor are made here: a name that Envoy sent and the limiter did not know would be no limit.
"""

from collections.abc import Mapping, Sequence

from ext_authz import policy as authz
from gatectl.compiler.names import UNJUDGED
from gatectl.snapshot import Descriptor, DescriptorEntry, Unjudged
from gatectl.spec.model import Adaptive, RateLimit, RateLimiting, ResponseCost, Route, Spec
from gatectl.spec.model.allowance import Allowances, rate
from ratelimit_svc import policy as limits

UTC = "UTC"
UNSEALED = ""
"""The revision before the bundle is sealed."""
_METADATA = {
    "user": authz.METADATA_SUBJECT,
    "role": authz.METADATA_ROLE,
    "plan": authz.METADATA_PLAN,
    "api_key": authz.METADATA_KEY_ID,
    "client_address": authz.METADATA_CLIENT_ADDRESS,
}
_ATTRIBUTE, _HEADER = "attribute.", "header."
_ENDED = (
    DescriptorEntry(limits.STATUS_KEY, constant="%RESPONSE_CODE%"),
    DescriptorEntry(limits.BYTES_KEY, constant="%BYTES_SENT%"),
    DescriptorEntry(limits.TIMES_KEY, constant="%REQUEST_DURATION%,%RESPONSE_DURATION%,%DURATION%"),
)
"""What Envoy fills in when a stream has ended; never empty, which would drop the descriptor."""

_ONE_NUMBER = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
"""Headers that hold one number: one from the upstream and one from the gateway could not be told apart. ``RateLimit``
and ``RateLimit-Policy`` are lists of names, and may come from both."""


def compile_limits(spec: Spec) -> limits.Policy:
    """What ratelimit_svc obeys."""
    settings = spec.rate_limiting
    return limits.Policy(
        revision=UNSEALED,
        gateway=spec.name,
        on_store_failure=settings.when_redis_is_away,
        ipv4_prefix=settings.ipv4_prefix,
        ipv6_prefix=settings.ipv6_prefix,
        limits={limit.name: compiled(limit, settings.time_zone) for limit in sorted(spec.rate_limits, key=_name)},
    )


def _name(limit: RateLimit) -> str:
    return limit.name


def compiled(limit: RateLimit, time_zone: str = UTC) -> limits.Limit:
    """One limit as ratelimit_svc obeys it."""
    return limits.Limit(
        algorithm=limit.algorithm,
        rates=_rates(limit, limit.limit),
        plans={plan: _rates(limit, allowed) for plan, allowed in sorted(limit.plans.items())},
        time_zone=time_zone if limit.algorithm == "quota" else UTC,
        per=limit.per,
        when=_callers(limit.when),
        exempt=_callers(limit.exempt),
        enforce=limit.enforce,
        count_refused=limit.count_refused,
        detailed=limit.detailed,
        response_cost=_response_cost(limit.response_cost) if limit.response_cost is not None else None,
        adaptive=_adaptive(limit.adaptive) if limit.adaptive is not None else None,
    )


def _rates(limit: RateLimit, allowed: Allowances) -> tuple[limits.Rate, ...]:
    return tuple(rate(one, limit.algorithm, limit.lease) for one in allowed)


def _callers(chosen: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Users are counted beside addresses, and so have their kind before them."""
    return {
        trait: tuple(f"user:{value}" for value in values) if trait == "user" else values
        for trait, values in sorted(chosen.items())
    }


def _response_cost(cost: ResponseCost) -> limits.ResponseCost:
    return limits.ResponseCost(status=dict(sorted(cost.status.items())), bytes_per_hit=cost.size)


def _adaptive(wanted: Adaptive) -> limits.Adaptive:
    return limits.Adaptive(
        least_percent=wanted.min_percent,
        target_latency_ms=wanted.target_latency,
        max_slow_percent=wanted.max_slow_percent,
        max_error_percent=wanted.max_error_percent,
        max_in_flight=wanted.max_in_flight,
    )


def descriptors(spec: Spec, route: Route, held: Sequence[RateLimit]) -> tuple[Descriptor, ...]:
    """One descriptor for each limit that is ``held`` on ``route``, and for each that looks at what becomes of a request
    one more for its end; the revision is added when rendering.
    """
    applying = [(limit, _entries(spec, limit, route)) for limit in held]
    asked = [Descriptor(entries, hits=_hits(limit, route)) for limit, entries in applying]
    ended = [Descriptor((*entries, *_ENDED), ended=True) for limit, entries in applying if _told_of_the_end(limit)]
    return (*asked, *ended)


def replaced_headers(held: Sequence[RateLimit]) -> tuple[str, ...]:
    """Headers of the upstream's responses that the limiter's stand in for, where these limits are held."""
    return _ONE_NUMBER if any(limit.enforce for limit in held) else ()


def compile_unjudged(settings: RateLimiting) -> Unjudged | None:
    """What passes while the limiter gives no answer. It may be a flood that keeps it from answering."""
    rate = settings.unjudged_per_address
    return Unjudged(UNJUDGED, rate.requests, rate.window_ms) if settings.when_redis_is_away == "allow" else None


def filters_with_limits(settings: RateLimiting, held: Sequence[RateLimit]) -> tuple[str, ...]:
    """The filters that work on a route because limits are held there."""
    unjudged = compile_unjudged(settings)
    return (unjudged.filter,) if unjudged is not None and held else ()


def _told_of_the_end(limit: RateLimit) -> bool:
    return limit.adaptive is not None or limit.response_cost is not None or limit.algorithm == "concurrency"


def _hits(limit: RateLimit, route: Route) -> int | None:
    """What a request counts: one at a time is one; a limit that responses are charged to only looks."""
    if limit.algorithm == "concurrency":
        return None
    hits = 0 if limit.response_cost is not None else route.cost
    return None if hits == 1 else hits


def counted_attributes(spec: Spec) -> tuple[str, ...]:
    """The attributes of callers that limits look at, which ext_authz has to tell."""
    found = {each for limit in spec.rate_limits for each in compiled(limit).dimensions}
    return tuple(sorted(each.removeprefix(_ATTRIBUTE) for each in found if each.startswith(_ATTRIBUTE)))


def counts_leases(spec: Spec) -> bool:
    """Whether a limit has to know one request from another."""
    return any(limit.algorithm == "concurrency" for limit in spec.rate_limits)


def _entries(spec: Spec, limit: RateLimit, route: Route) -> tuple[DescriptorEntry, ...]:
    """The entries in the order of the contract: ``limit``, (``revision``,) and the limit's dimensions."""
    constants = {"route": route.name, "upstream": route.upstream, "gateway": spec.name}
    lease = (DescriptorEntry(limits.LEASE_KEY, metadata=(authz.METADATA_LEASE,)),)
    return (
        DescriptorEntry(limits.LIMIT_KEY, constant=limit.name),
        *(_entry(dimension, constants) for dimension in compiled(limit).dimensions),
        *(lease if limit.algorithm == "concurrency" else ()),
    )


def _entry(dimension: str, constants: Mapping[str, str]) -> DescriptorEntry:
    if dimension in constants:
        return DescriptorEntry(dimension, constant=constants[dimension])
    if dimension.startswith(_HEADER):
        return DescriptorEntry(dimension, header=dimension.removeprefix(_HEADER))
    if dimension.startswith(_ATTRIBUTE):
        return DescriptorEntry(dimension, metadata=(authz.METADATA_ATTRIBUTES, dimension.removeprefix(_ATTRIBUTE)))
    return DescriptorEntry(dimension, metadata=(_METADATA[dimension],))
