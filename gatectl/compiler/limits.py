"""Rate limits → the limiter's policy and, from the same values, the descriptors that Envoy sends.

Both sides of a descriptor are made here: a name that Envoy sent and the limiter did not know would be no limit.
"""

from ext_authz import policy as authz
from gatectl.snapshot import Descriptor, DescriptorEntry
from gatectl.spec.model import Adaptive, RateLimit, Route, Spec
from ratelimit_svc import policy as limits

UNSEALED = ""
"""The revision before the bundle is sealed."""
_METADATA = {
    "user": authz.METADATA_SUBJECT,
    "role": authz.METADATA_ROLE,
    "plan": authz.METADATA_PLAN,
    "api_key": authz.METADATA_KEY_ID,
    "client_address": authz.METADATA_CLIENT_ADDRESS,
}
_ENDED = (
    DescriptorEntry(limits.STATUS_KEY, constant="%RESPONSE_CODE%"),
    DescriptorEntry(limits.BYTES_KEY, constant="%BYTES_SENT%"),
    DescriptorEntry(limits.DURATION_KEY, constant="%DURATION%"),
)
"""What Envoy fills in when a stream has ended; never absent, which would drop the descriptor."""


def compile_limits(spec: Spec) -> limits.Policy:
    """What ratelimit_svc obeys."""
    return limits.Policy(
        revision=UNSEALED,
        gateway=spec.name,
        on_store_failure=spec.rate_limiting.when_redis_is_away,
        limits={limit.name: _limit(limit) for limit in sorted(spec.rate_limits, key=lambda limit: limit.name)},
    )


def _limit(limit: RateLimit) -> limits.Limit:
    return limits.Limit(
        algorithm=limit.algorithm,
        rates=(limits.Rate(requests=limit.limit.requests, window_ms=limit.limit.window_ms),),
        per=limit.per,
        when=dict(limit.when),
        adaptive=_adaptive(limit.adaptive) if limit.adaptive is not None else None,
    )


def _adaptive(wanted: Adaptive) -> limits.Adaptive:
    return limits.Adaptive(
        least_percent=wanted.min_percent,
        target_latency_ms=wanted.target_latency,
        max_slow_percent=wanted.max_slow_percent,
        max_error_percent=wanted.max_error_percent,
        max_in_flight=wanted.max_in_flight,
    )


def descriptors(spec: Spec, route: Route) -> tuple[Descriptor, ...]:
    """One descriptor for each limit that applies to ``route``, and for each that looks at what becomes of a request one
    more for its end; the revision is added when rendering.
    """
    applying = [limit for limit in spec.rate_limits if limit.routes is None or route.name in limit.routes]
    asked = [Descriptor(_entries(spec, limit, route)) for limit in applying]
    ended = [Descriptor((*_entries(spec, limit, route), *_ENDED), ended=True) for limit in applying if limit.adaptive]
    return (*asked, *ended)


def _entries(spec: Spec, limit: RateLimit, route: Route) -> tuple[DescriptorEntry, ...]:
    """The entries in the order of the contract: ``limit``, (``revision``,) and the limit's dimensions."""
    constants = {"route": route.name, "upstream": route.upstream, "gateway": spec.name}
    return (
        DescriptorEntry(limits.LIMIT_KEY, constant=limit.name),
        *(
            DescriptorEntry(dimension, constant=constants[dimension])
            if dimension in constants
            else DescriptorEntry(dimension, metadata=_METADATA[dimension])
            for dimension in _limit(limit).dimensions
        ),
    )
