"""What one client address may cost before anybody knows who is calling."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gatectl.fields import Duration, Network, Omittable, Rate, RateField
from gatectl.spec.model.section import Section

_MOST_REQUESTS = 1_000_000
_SHORTEST_WINDOW_MS = 50
"""Envoy refuses a token bucket that is filled more often."""


def bucket(rate: Rate) -> Rate:
    """What a bucket of Envoy can hold each address to."""
    if not 1 <= rate.requests <= _MOST_REQUESTS or rate.window_ms < _SHORTEST_WINDOW_MS:
        raise PydanticCustomError("malformed", "1 to 1000000 requests in 50ms or more are needed, such as 200/second")
    return rate


class Abuse(Section):
    """Failures to authenticate count by client address (IPv6: by /64), and by the API key that is tried.

    After ``slow_after`` of them in a ``window`` the answers come late; after ``refuse_after`` only credentials that
    were accepted before get through from there for the time of a ``block``. ``exempt``: networks that none of this
    is for, such as that of a health checker.
    """

    requests_per_address: Omittable[Annotated[RateField, AfterValidator(bucket)]] = None
    """What each Envoy takes from an address, whoever calls; at first it may come at once. Default: any number."""
    slow_after: Annotated[int, Field(ge=1, le=100_000)] = 10
    refuse_after: Annotated[int, Field(ge=1, le=100_000)] = 50
    window: Annotated[Duration, Field(ge=1000, le=86_400_000)] = 60_000
    block: Annotated[Duration, Field(ge=1000, le=86_400_000)] = 300_000
    exempt: Annotated[tuple[Network, ...], Field(max_length=100)] = ("127.0.0.0/8", "::1/128")
    """This machine by default: all of whoever sits behind a proxy on it would share that address."""
