"""Envoy's words (envoy.service.ratelimit.v3) to ours and back. The only module that imports Envoy's protobufs."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import grpc
from envoy.service.ratelimit.v3 import rls_pb2

from ratelimit_svc import client_headers
from ratelimit_svc.engine import Decision, Status
from ratelimit_svc.policy import ABSENT, METADATA_DECISION, METADATA_DETAIL, METADATA_LIMIT, METADATA_RETRY_AFTER
from ratelimit_svc.rules import Descriptor

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
UNIT_MULTIPLIER_TAG = b"\x20"
"""Field 4 of RateLimit, a varint: ``unit_multiplier``, new in Envoy 1.40 and not in xds-protos yet."""

Answer = Callable[[Any, Any], Awaitable[Any]]
"""(RateLimitRequest, grpc.aio.ServicerContext) -> RateLimitResponse."""


def handler(should_rate_limit: Answer) -> grpc.GenericRpcHandler:
    """The service's one method, to be added to a server."""
    method = grpc.unary_unary_rpc_method_handler(
        should_rate_limit,
        request_deserializer=rls_pb2.RateLimitRequest.FromString,
        response_serializer=_Response.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"ShouldRateLimit": method})


def descriptors(request: Any) -> list[Descriptor]:
    """The descriptors of a RateLimitRequest.

    ``hits_addend`` of a descriptor counts if it is there, 0 included (a look); else the request's, where 0 means 1.
    """
    default = request.hits_addend or 1
    return [
        Descriptor(
            tuple((entry.key, entry.value) for entry in descriptor.entries),
            descriptor.hits_addend.value if descriptor.HasField("hits_addend") else default,
        )
        for descriptor in request.descriptors
    ]


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
        fields[METADATA_DETAIL].string_value = decision.detail()
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
    into.current_limit.CopyFrom(_current_limit(status.name, tightest.terms.requests, tightest.terms.window_ms))
    into.limit_remaining = min(tightest.remaining, _UINT32_MAX)
    into.duration_until_reset.seconds, milliseconds = divmod(tightest.reset_ms, 1000)
    into.duration_until_reset.nanos = milliseconds * 1_000_000


@lru_cache(maxsize=4096)
def _current_limit(name: str, requests: int, window_ms: int) -> Any:
    """A limit as a RateLimit message: ``requests_per_unit`` every ``unit_multiplier`` of the largest fitting unit.

    The proto knows whole seconds only, so a window of 1500 ms is shown as 2 seconds.
    """
    seconds = -(-window_ms // 1000)
    length, unit = next((length, unit) for length, unit in _UNITS if seconds % length == 0)
    message = _Response.RateLimit(name=name, requests_per_unit=min(requests, _UINT32_MAX), unit=unit)
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
