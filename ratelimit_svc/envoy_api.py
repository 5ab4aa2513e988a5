"""Envoy's words (envoy.service.ratelimit.v3) to ours and back. The only module that imports Envoy's protobufs."""

import contextlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import grpc
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from ratelimit_svc import client_headers
from ratelimit_svc.any_bytes import readable
from ratelimit_svc.engine import Decision, Status
from ratelimit_svc.policy import ABSENT, METADATA_DECISION, METADATA_DETAIL, METADATA_LIMIT, METADATA_RETRY_AFTER, Rate
from ratelimit_svc.rules import Descriptor, Mistake
from ratelimit_svc.store import Terms

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
_Response = rls_pb2.RateLimitResponse
_OK, _OVER_LIMIT = _Response.OK, _Response.OVER_LIMIT
_UINT32_MAX = 2**32 - 1
_UNITS = (
    (86_400, _Response.RateLimit.DAY),
    (3600, _Response.RateLimit.HOUR),
    (60, _Response.RateLimit.MINUTE),
    (1, _Response.RateLimit.SECOND),
)
_LENGTHS = {unit: length for length, unit in _UNITS} | {
    _Response.RateLimit.WEEK: 7 * 86_400,
    _Response.RateLimit.MONTH: 30 * 86_400,
    _Response.RateLimit.YEAR: 365 * 86_400,
}
"""Seconds. A month is 30 days and a year 365, as in envoyproxy/ratelimit."""
_LONGEST_SECONDS = 366 * 86_400
_PERIODS = {
    "day": _Response.RateLimit.DAY,
    "week": _Response.RateLimit.WEEK,
    "month": _Response.RateLimit.MONTH,
}
UNIT_MULTIPLIER = 3
"""Field of RateLimitDescriptor.RateLimitOverride, new in Envoy 1.40 and not in xds-protos yet."""
IS_NEGATIVE_HITS = 4
"""Field of RateLimitDescriptor, likewise."""
UNIT_MULTIPLIER_TAG = b"\x20"
"""Field 4 of RateLimit, a varint: ``unit_multiplier``, new in Envoy 1.40 and not in xds-protos yet."""

Answer = Callable[[bytes, Any], Awaitable[Any]]
"""(RateLimitRequest as it came, grpc.aio.ServicerContext) -> RateLimitResponse."""


def handler(should_rate_limit: Answer) -> grpc.GenericRpcHandler:
    """The service's one method, to be added to a server."""
    method = grpc.unary_unary_rpc_method_handler(
        should_rate_limit,
        response_serializer=_Response.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"ShouldRateLimit": method})


def request(message: bytes) -> Any:
    """A RateLimitRequest from what came. Raises Mistake: gRPC would make UNKNOWN and a traceback of it."""
    with contextlib.suppress(DecodeError):
        return rls_pb2.RateLimitRequest.FromString(message)
    try:
        return rls_pb2.RateLimitRequest.FromString(readable(message))
    except DecodeError:
        raise Mistake("no_request", "the message is no RateLimitRequest") from None


def descriptors(request: Any) -> list[Descriptor]:
    """The descriptors of a RateLimitRequest. Raises Mistake for an override that is no rate.

    ``hits_addend`` of a descriptor counts if it is there, 0 included (a look); else the request's, where 0 means 1.
    """
    default = request.hits_addend or 1
    return [
        Descriptor(
            tuple((entry.key, entry.value) for entry in descriptor.entries),
            descriptor.hits_addend.value if descriptor.HasField("hits_addend") else default,
            _override(descriptor.limit) if descriptor.HasField("limit") else None,
            bool(unknown_number(descriptor, IS_NEGATIVE_HITS)),
        )
        for descriptor in request.descriptors
    ]


def unknown_number(message: Any, field: int) -> int | None:
    """A varint field that the stubs do not know; None when it is not there.

    The request path pays 0.1 microseconds a descriptor for looking (2.5 for all of a descriptor).
    """
    found = [one.data for one in UnknownFieldSet(message) if one.field_number == field and one.wire_type == 0]
    return found[-1] if found else None


def _override(limit: Any) -> Rate:
    """The rate that comes with a descriptor. A multiplier that is not there is 1, as in Envoy."""
    multiplier = unknown_number(limit, UNIT_MULTIPLIER)
    return _rate(limit.requests_per_unit, limit.unit, 1 if multiplier is None else multiplier)


@lru_cache(maxsize=4096)
def _rate(requests: int, unit: int, multiplier: int) -> Rate:
    seconds = _LENGTHS.get(unit, 0) * multiplier
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise Mistake("bad_override", "a limit that comes with a descriptor has a unit, and at most 366 days of them")
    return Rate(requests=requests, window_ms=seconds * 1000)


def response(decision: Decision) -> Any:
    """The RateLimitResponse for a decision. ``overall_code`` is never UNKNOWN: Envoy lets that pass."""
    answer = _Response(overall_code=_OK if decision.allowed else _OVER_LIMIT)
    for status in decision.statuses:
        _fill(answer.statuses.add(), status)
    for name, value in client_headers.headers(decision):
        answer.response_headers_to_add.add(key=name, value=value)
    refused_by = decision.limiting.name if decision.limiting is not None and not decision.allowed else ABSENT
    # strings only: Envoy drops a descriptor or a format operator that meets a number
    fields = answer.dynamic_metadata.fields
    fields[METADATA_LIMIT].string_value = refused_by
    fields[METADATA_DECISION].string_value = decision.outcome
    if not decision.allowed:
        fields[METADATA_DETAIL].string_value = detail = decision.detail()
        answer.raw_body = detail.encode()  # the gateway makes a problem of it; another Envoy says it as it is
        # read by the format of the 429 only, where a number stays one
        fields[METADATA_RETRY_AFTER].number_value = decision.reset_s
    return answer


def _fill(into: Any, status: Status | None) -> None:
    """Fill a DescriptorStatus. One without a limit is plain OK, without ``current_limit``."""
    if status is None:
        into.code = _OK
        return
    into.code = _OVER_LIMIT if status.refuses else _OK
    tightest = status.tightest
    into.current_limit.CopyFrom(_current_limit(status.name, tightest.terms))
    into.limit_remaining = min(tightest.remaining, _UINT32_MAX)
    into.duration_until_reset.seconds, milliseconds = divmod(tightest.reset_ms, 1000)
    into.duration_until_reset.nanos = milliseconds * 1_000_000


@lru_cache(maxsize=4096)
def _current_limit(name: str, terms: Terms) -> Any:
    """A limit as a RateLimit message: ``requests_per_unit`` every ``unit_multiplier`` of the largest fitting unit.

    The proto knows whole seconds only, so a window of 1500 ms is shown as 2 seconds. Requests at a time have no unit.
    """
    message = _Response.RateLimit(name=name, requests_per_unit=min(terms.requests, _UINT32_MAX))
    if terms.algorithm == "concurrency":
        return message
    if terms.period is not None:
        message.unit = _PERIODS[terms.period]
        return message
    seconds = -(-terms.window_ms // 1000)
    length, message.unit = next((length, unit) for length, unit in _UNITS if seconds % length == 0)
    if seconds != length:
        message.MergeFromString(UNIT_MULTIPLIER_TAG + varint(seconds // length))
    return message


def varint(number: int) -> bytes:
    """Protobuf's encoding of a non-negative integer."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
