"""What a change of TLS opens: who can read along, who is believed, and who is no longer asked. Read from Envoy's
resources, which is all that counts.
"""

from collections.abc import Iterator
from typing import Any

from gatectl.changes.openings import Opening
from gatectl.changes.resources import Contents
from gatectl.compiler.names import HTTP3

_Context = dict[str, Any]


def tls_openings(before: Contents, after: Contents) -> Iterator[Opening]:
    """Everything that less TLS, or other certificates, open."""
    for message in _listener(
        _context(before.listener["filter_chains"][0]), _context(after.listener["filter_chains"][0])
    ):
        yield "listener", message
    if HTTP3 in after.names("listener") - before.names("listener"):
        yield "listener", "it can be reached over HTTP/3, at the same port of UDP"
    old = before.of("cluster")
    for name, cluster in after.of("cluster").items():
        if name in old:
            for message in _upstream(_context(old[name]), _context(cluster)):
                yield f'cluster "{name}"', message


def _listener(was: _Context | None, now: _Context | None) -> Iterator[str]:
    if was is None:
        return
    if now is None:
        yield "credentials, requests and answers travel in plain text"
        return
    yield from _weaker(was, now)
    if was["require_client_certificate"] and not now["require_client_certificate"]:
        yield "clients get in without a certificate"
    if _authority(was) != _authority(now) and _authority(now) is not None:
        yield "certificates of clients are believed by other authorities, or another revocation list"


def _upstream(was: _Context | None, now: _Context | None) -> Iterator[str]:
    if was is None:
        return
    if now is None:
        yield "requests leave in plain text"
        return
    yield from _weaker(was, now)
    if _authority(was) is None:
        return
    if _authority(now) is None:
        yield "requests go to whoever answers: its certificate is not verified"
        return
    if _authority(was) != _authority(now):
        yield "its certificate is believed by another authority"
    old, new = _names(was), _names(now)
    if old != new and (not old or not new or not new <= old):
        yield "its certificate may be for another name"
    pinned, pins = _pins(was), _pins(now)
    if pinned and (not pins or not pins <= pinned):
        yield "its certificate may have another key"


def _weaker(was: _Context, now: _Context) -> Iterator[str]:
    if _least(now) < _least(was):
        yield "an older version of TLS will do"


def _context(holder: dict[str, Any]) -> _Context | None:
    socket = holder.get("transport_socket")
    return socket["typed_config"] if socket is not None else None


def _least(context: _Context) -> str:
    return str(context["common_tls_context"]["tls_params"]["tls_minimum_protocol_version"])


def _authority(context: _Context) -> str | None:
    """The secret that says who is believed; None when nobody is asked."""
    common = context["common_tls_context"]
    found = common.get("combined_validation_context", common).get("validation_context_sds_secret_config")
    return str(found["name"]) if found is not None else None


def _expected(context: _Context) -> dict[str, Any]:
    found: dict[str, Any] = context["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    return found


def _names(context: _Context) -> set[str]:
    """Whom the certificate must be for; empty for the name of the endpoint."""
    return {str(one) for one in _expected(context).get("match_typed_subject_alt_names", [])}


def _pins(context: _Context) -> set[str]:
    return set(_expected(context)["verify_certificate_spki"])
