"""What types cannot say about TLS: files that belong together, and what nobody could be known by."""

from collections.abc import Iterator

from gatectl.diagnostics import Diagnostic
from gatectl.fields import is_address
from gatectl.spec.draft import Draft
from gatectl.spec.model import ListenerTls, UpstreamTls

_DISTRUST = ("ca", "san", "pins")


def check_tls(draft: Draft) -> Iterator[Diagnostic]:
    """Every mistake in the ``tls`` of the listener and of upstreams."""
    if draft.listener_tls is not None:
        yield from _listener(draft, draft.listener_tls)
    for name, upstream in draft.upstreams.items():
        if upstream.tls is not None:
            shown = f'upstream "{name}"'
            yield from _pair(draft, shown, upstream.tls, "upstreams", name, "tls")
            yield from _known(draft, shown, name, upstream.tls, upstream.endpoints)


def _listener(draft: Draft, tls: ListenerTls) -> Iterator[Diagnostic]:
    node = draft.tree.find(("listener", "tls"))
    at = node.key_at or node.at
    if tls.local and (tls.certificate or tls.key):
        yield Diagnostic("GC0108", "the listener has a certificate of its own, and a local one", at, "keep one of them")
    if not tls.local and not tls.certificate and not tls.key:
        hint = "name certificate and key, or `local: true` for development"
        yield Diagnostic("GC0108", "the listener has TLS without a certificate", at, hint)
    yield from _pair(draft, "the listener", tls, "listener", "tls")
    for field in ("client_crl", "client_certificates"):
        if getattr(tls, field) is not None and tls.client_ca is None:
            place = draft.tree.find(("listener", "tls", field)).at
            message = f"the listener has {field}, but nobody whose certificates it could be about"
            yield Diagnostic("GC0108", message, place, "name client_ca")


def _pair(draft: Draft, who: str, tls: ListenerTls | UpstreamTls, *path: str) -> Iterator[Diagnostic]:
    if (tls.certificate is None) != (tls.key is None):
        node = draft.tree.find(path)
        yield Diagnostic("GC0108", f"{who}: certificate and key belong together", node.key_at or node.at)


def _known(draft: Draft, who: str, name: str, tls: UpstreamTls, endpoints: tuple[str, ...]) -> Iterator[Diagnostic]:
    if tls.insecure_skip_verify:
        for field in _DISTRUST:
            if getattr(tls, field):
                place = draft.tree.find(("upstreams", name, "tls", field)).at
                yield Diagnostic("GC0108", f"{who} has {field}, and insecure_skip_verify that ignores it", place)
    elif not tls.san and tls.sni is None:
        for position, endpoint in enumerate(endpoints):
            if is_address(endpoint.rpartition(":")[0].strip("[]")):
                place = draft.tree.find(("upstreams", name, "endpoints", position)).at
                message = f"{who}: this endpoint has no name that its certificate could be for"
                yield Diagnostic("GC0108", message, place, "say in tls.san whom the certificate must be for")
