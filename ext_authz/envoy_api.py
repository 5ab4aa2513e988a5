"""The Envoy side: CheckRequest → Request, Decision → CheckResponse. The only module that imports Envoy's protobufs."""

import json
import secrets
from http import HTTPStatus
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import policy
from ext_authz.engine import Decision, Request
from ext_authz.identity import NO_ATTRIBUTES

GRPC_SERVICE = "envoy.service.auth.v3.Authorization"

_OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_UNAUTHENTICATED, _PERMISSION_DENIED, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 16, 7, 8, 14
_GRPC_STATUS = {401: _UNAUTHENTICATED, 429: _RESOURCE_EXHAUSTED, 503: _UNAVAILABLE}
"""google.rpc.Code by HTTP status; all others are PERMISSION_DENIED."""
_LEASE_BYTES = 12
"""Of a request's own name: 2^96 of them are never the same by chance, nor guessed."""
_NO_ADDRESS = "unknown"

UNREADABLE = Request(route="", revision="", method="", path="", headers={}, address=_NO_ADDRESS, request_id="")
"""Stands for a request that could not be parsed."""


def parse(check_request: bytes) -> Request:
    """A serialized ``envoy.service.auth.v3.CheckRequest``. Raises google.protobuf.message.DecodeError.

    The address is the one Envoy trusts (``attributes.source``), never one out of a client's header.
    """
    message = external_auth_pb2.CheckRequest.FromString(check_request)
    attributes = message.attributes
    http, extensions = attributes.request.http, attributes.context_extensions
    headers = dict(http.headers)
    return Request(
        route=extensions.get(policy.ROUTE_KEY, ""),
        revision=extensions.get(policy.REVISION_KEY, ""),
        method=http.method,
        path=http.path,
        headers=headers,
        address=attributes.source.address.socket_address.address or _NO_ADDRESS,
        request_id=headers.get("x-request-id", ""),
        principal=attributes.source.principal,
        host=http.host,
    )


def respond(decision: Decision, request: Request) -> bytes:
    """A serialized ``envoy.service.auth.v3.CheckResponse``."""
    response = external_auth_pb2.CheckResponse()
    fields = response.dynamic_metadata.fields
    for name, value in metadata(decision, request).items():
        fields[name].string_value = value
    if decision.allow:
        _tell_limits(fields, decision)
        _allow(response, decision)
    else:
        _deny(response, decision, request)
    serialized: bytes = response.SerializeToString()
    return serialized


def metadata(decision: Decision, request: Request) -> dict[str, str]:
    """What limits, logs and routing may know.

    Non-empty strings only: Envoy drops a descriptor that is made of anything else.
    """
    identity, grant, shadow = decision.identity, decision.ruling.grant, decision.ruling.shadow
    absent = policy.ABSENT
    return {
        policy.METADATA_SUBJECT: f"user:{identity.user}" if identity else f"address:{request.address}",
        policy.METADATA_USER: identity.user if identity else absent,
        policy.METADATA_ROLE: (grant.role if grant and decision.allow else None) or absent,
        policy.METADATA_PLAN: (identity.plan if identity else None) or absent,
        policy.METADATA_KEY_ID: (identity.key_id if identity else None) or absent,
        policy.METADATA_AUTH_METHOD: identity.method if identity else absent,
        policy.METADATA_CLIENT_ADDRESS: request.address,
        policy.METADATA_DECISION: "allow" if decision.allow else "deny",
        policy.METADATA_REASON: decision.reason.code,
        policy.METADATA_SHADOW: absent if shadow is None else "allow" if shadow.allow else "deny",
    }


def _tell_limits(fields: Any, decision: Decision) -> None:
    """What only some limits count by. An attribute that the caller lacks is left out: the descriptor says ``-``."""
    of_caller = decision.identity.attributes if decision.identity is not None else NO_ATTRIBUTES
    for name in decision.counted_attributes:
        if of_caller.get(name):
            fields[policy.METADATA_ATTRIBUTES].struct_value.fields[name].string_value = of_caller[name]
    if decision.leases:
        fields[policy.METADATA_LEASE].string_value = secrets.token_hex(_LEASE_BYTES)


def _allow(response: external_auth_pb2.CheckResponse, decision: Decision) -> None:
    identity = decision.identity
    values = dict.fromkeys(policy.IDENTITY_HEADERS, "")
    if identity is not None:
        values[policy.HEADER_USER] = identity.user
        values[policy.HEADER_ROLES] = ",".join(identity.roles)
        values[policy.HEADER_PLAN] = identity.plan or ""
        values[policy.HEADER_AUTH_METHOD] = identity.method
        values[policy.HEADER_IDENTITY] = decision.identity_token or ""
    ok = response.ok_response
    for name, value in values.items():
        if value:
            _header(ok.headers.add(), name, value)
        else:  # the caller has none, so nobody may claim it
            ok.headers_to_remove.append(name)
    for taken in decision.taken:
        for name, value in taken.replaced.items():
            _header(ok.headers.add(), name, value)
        # Envoy removes after it sets: a header in both lists would reach the upstream without its value
        ok.headers_to_remove.extend(name for name in taken.headers if not values.get(name))
    response.status.code = 0


def _deny(response: external_auth_pb2.CheckResponse, decision: Decision, request: Request) -> None:
    reason = decision.reason
    response.dynamic_metadata.fields[policy.METADATA_DETAIL].string_value = reason.detail
    response.status.code = _GRPC_STATUS.get(reason.status, _PERMISSION_DENIED)
    response.status.message = reason.code
    denied = response.denied_response
    denied.status.code = reason.status
    _header(denied.headers.add(), "content-type", "application/problem+json")
    if decision.challenge is not None:
        _header(denied.headers.add(), "www-authenticate", decision.challenge)
    if decision.retry_after is not None:
        _header(denied.headers.add(), "retry-after", str(decision.retry_after))
    denied.body = json.dumps(
        {
            "type": f"urn:gatectl:error:{reason.code}",
            "title": HTTPStatus(reason.status).phrase,
            "status": reason.status,
            "detail": reason.detail,
            "request_id": request.request_id,
        }
    )


def _header(option: base_pb2.HeaderValueOption, name: str, value: str) -> None:
    option.header.key, option.header.value = name, value
    # explicit: Envoy 1.40.0 ignores the field, later ones honour it, and its zero value appends to what a client sent
    option.append_action = _OVERWRITE
