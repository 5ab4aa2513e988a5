"""Envoy's words to those of ``compat.engine`` and back. Imports Envoy's protobufs."""

from functools import lru_cache
from typing import Any

from envoy.service.ratelimit.v3 import rls_pb2

from ratelimit_svc.compat.config import UNIT_SECONDS, Rate
from ratelimit_svc.compat.engine import Asked, Decision, Status
from ratelimit_svc.envoy_api import IS_NEGATIVE_HITS, UNIT_MULTIPLIER, UNIT_MULTIPLIER_TAG, unknown_number, varint
from ratelimit_svc.rules import Mistake

_Response = rls_pb2.RateLimitResponse
_OK, _OVER_LIMIT = _Response.OK, _Response.OVER_LIMIT
_UNITS = {number: name.lower() for name, number in _Response.RateLimit.Unit.items() if name.lower() in UNIT_SECONDS}


def asked(request: Any) -> list[Asked]:
    """The descriptors of a RateLimitRequest. Raises Mistake for a limit in a unit that does not exist.

    ``hits_addend`` of a descriptor counts if it is there, 0 included (a look); else the request's, where 0 means 1.
    """
    default = request.hits_addend or 1
    return [
        Asked(
            tuple((entry.key, entry.value) for entry in descriptor.entries),
            descriptor.hits_addend.value if descriptor.HasField("hits_addend") else default,
            _override(descriptor.limit) if descriptor.HasField("limit") else None,
            refund=bool(unknown_number(descriptor, IS_NEGATIVE_HITS)),
        )
        for descriptor in request.descriptors
    ]


def _override(limit: Any) -> Rate:
    unit = _UNITS.get(limit.unit)
    if unit is None:
        raise Mistake("bad_override", "a limit that comes with a descriptor has a unit")
    return Rate(limit.requests_per_unit, unit, unknown_number(limit, UNIT_MULTIPLIER) or 1)


def response(decision: Decision, *, headers: bool) -> Any:
    """The RateLimitResponse for a decision. ``headers``: RateLimit-Limit, -Remaining, -Reset for the client."""
    answer = _Response(overall_code=_OK if decision.allowed else _OVER_LIMIT)
    for status in decision.statuses:
        _fill(answer.statuses.add(), status)
    limiting = decision.limiting
    if headers and limiting is not None and limiting.rule.rate is not None:
        told = (limiting.rule.rate.requests, limiting.remaining, limiting.reset_s)
        for name, value in zip(("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"), told, strict=True):
            answer.response_headers_to_add.add(key=name, value=str(value))
    return answer


def _fill(into: Any, status: Status | None) -> None:
    into.code = _OK if status is None or not status.over else _OVER_LIMIT
    if status is None:
        return
    into.limit_remaining = status.remaining
    if status.rule.rate is not None:
        into.current_limit.CopyFrom(_current_limit(status.rule.name, status.rule.rate))
        into.duration_until_reset.seconds = status.reset_s


@lru_cache(maxsize=4096)
def _current_limit(name: str, rate: Rate) -> Any:
    unit = _Response.RateLimit.Unit.Value(rate.unit.upper())
    message = _Response.RateLimit(name=name, requests_per_unit=rate.requests, unit=unit)
    if rate.multiplier > 1:
        message.MergeFromString(UNIT_MULTIPLIER_TAG + varint(rate.multiplier))
    return message
