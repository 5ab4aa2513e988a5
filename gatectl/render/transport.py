"""How connections are made: TLS contexts, and the secrets (SDS) that they get their certificates from.

A secret is a file of its own that holds nothing but names of PEM files, so that Envoy reads those again when they
change: a certificate is exchanged without an apply, and no connection is cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatectl.compiler.names import secret_id
from gatectl.render.templates import Message, render
from gatectl.snapshot import Authority, DownstreamTls, KeyPair, Snapshot, TlsVersion, UpstreamTls

SECRETS = "envoy/secrets"
"""Where they are inside a generation."""
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_QUIC = "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport"
_CIPHERS = tuple(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for signature in ("ECDSA", "RSA")
)
"""For TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, section 4.2). TLS 1.3 has no others."""


@dataclass(frozen=True)
class Secret:
    """Names of PEM files. ``key`` None: those are certificates to believe, not our own."""

    name: str
    certificates: str
    key: str | None
    crl: str | None

    @property
    def file(self) -> str:
        """Where it is said, inside a generation."""
        return f"{SECRETS}/{self.name}.json"

    @property
    def directory(self) -> str:
        """A rename in it makes Envoy read all files of the secret again."""
        return str(PurePosixPath(self.certificates).parent)


def secrets(snapshot: Snapshot) -> tuple[Secret, ...]:
    """Every secret of a gateway, once, by name."""
    return tuple(sorted(set(_secrets(snapshot)), key=lambda one: one.name))


def downstream(tls: DownstreamTls) -> Message:
    """The transport socket of the listener for TCP."""
    context = _downstream(tls, ("h2", "http/1.1") if tls.http2 else ("http/1.1",))
    return _socket("envoy.transport_sockets.tls", {"@type": f"{_TLS}.DownstreamTlsContext", **context})


def quic(tls: DownstreamTls) -> Message:
    """The transport socket of the listener for HTTP/3, which is always TLS 1.3 (RFC 9001, section 4.2)."""
    context = {"@type": _QUIC, "downstream_tls_context": _downstream(tls, ("h3",))}
    return _socket("envoy.transport_sockets.quic", context)


def upstream(tls: UpstreamTls, *, http2: bool) -> Message:
    """The transport socket of a cluster."""
    context = render(
        "upstream_tls",
        tls=tls,
        tls_params=_parameters(tls.min_version),
        alpn=["h2" if http2 else "http/1.1"],
        certificate=_reference(_own(tls.key_pair)) if tls.key_pair is not None else None,
        ca=_reference(_believed(tls.ca)) if tls.ca is not None else None,
    )
    return _socket("envoy.transport_sockets.tls", {"@type": f"{_TLS}.UpstreamTlsContext", **context})


def _downstream(tls: DownstreamTls, alpn: tuple[str, ...]) -> Message:
    return render(
        "downstream_tls",
        tls=tls,
        tls_params=_parameters(tls.min_version),
        alpn=alpn,
        certificate=_reference(_own(tls.key_pair)),
        client_ca=_reference(_believed(tls.client_ca)) if tls.client_ca is not None else None,
    )


def _socket(name: str, context: Message) -> Message:
    return render("transport_socket", name=name, context=context)


def _parameters(least: TlsVersion) -> Message:
    return render("tls_params", least=least, ciphers=_CIPHERS)


def _reference(secret: Secret) -> Message:
    return render("secret_reference", name=secret.name, path=f"current/{secret.file}")


def _own(pair: KeyPair) -> Secret:
    return Secret(secret_id("certificate", pair.certificate, pair.key), pair.certificate, pair.key, None)


def _believed(authority: Authority) -> Secret:
    name = secret_id("trust", authority.certificates, authority.crl)
    return Secret(name, authority.certificates, None, authority.crl)


def _secrets(snapshot: Snapshot) -> Iterator[Secret]:
    tls = snapshot.listener.tls
    if tls is not None:
        yield _own(tls.key_pair)
        if tls.client_ca is not None:
            yield _believed(tls.client_ca)
    for cluster in snapshot.clusters:
        if cluster.tls is not None:
            if cluster.tls.key_pair is not None:
                yield _own(cluster.tls.key_pair)
            if cluster.tls.ca is not None:
                yield _believed(cluster.tls.ca)
