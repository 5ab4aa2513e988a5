"""Abuse → what Envoy limits by address, and how ext_authz answers failures."""

from ext_authz import policy as authz
from gatectl.snapshot import AddressLimit
from gatectl.spec.model import Abuse


def compile_address_limit(abuse: Abuse) -> AddressLimit | None:
    """What Envoy holds each address to; None: nothing."""
    rate = abuse.requests_per_address
    if rate is None:
        return None
    networks = (network.partition("/") for network in abuse.exempt)
    return AddressLimit(rate.requests, rate.window_ms, tuple((address, int(length)) for address, _, length in networks))


def compile_throttling(abuse: Abuse) -> authz.Throttling:
    """How ext_authz answers failures."""
    return authz.Throttling(
        slow_after=abuse.slow_after,
        refuse_after=abuse.refuse_after,
        window_ms=abuse.window,
        block_ms=abuse.block,
        exempt=abuse.exempt,
    )
