"""TLS of the listener and of upstreams → who has to prove what, and with which files."""

from collections.abc import Sequence
from typing import Literal

from gatectl.compiler import names
from gatectl.fields import is_address
from gatectl.snapshot import Authority, DownstreamTls, Endpoint, KeyPair, SubjectName, TlsVersion, UpstreamTls
from gatectl.spec import model

_VERSION: dict[str, TlsVersion] = {"1.2": "TLSv1_2", "1.3": "TLSv1_3"}


def compile_listener_tls(tls: model.ListenerTls) -> DownstreamTls:
    """What clients meet. A client certificate is required as soon as there is somebody to sign it."""
    return DownstreamTls(
        key_pair=_key_pair(tls.certificate, tls.key) or KeyPair(names.LOCAL_CERTIFICATE, names.LOCAL_KEY),
        min_version=_VERSION[tls.min_version],
        client_ca=Authority(tls.client_ca, tls.client_crl) if tls.client_ca is not None else None,
        require_client_certificate=tls.client_ca is not None and tls.client_certificates != "optional",
        http2=tls.http2,
        http3=tls.http3,
    )


def compile_upstream_tls(tls: model.UpstreamTls, endpoints: Sequence[Endpoint]) -> UpstreamTls:
    """What an upstream has to prove. An IP address is never sent as a name (RFC 6066, section 3)."""
    expected = tls.san or ((tls.sni,) if tls.sni is not None else ())
    return UpstreamTls(
        ca=None if tls.insecure_skip_verify else Authority(tls.ca or names.SYSTEM_CA),
        sni=tls.sni,
        auto_sni=tls.sni is None and not any(is_address(endpoint.host) for endpoint in endpoints),
        names=tuple(SubjectName(_kind(name), name) for name in expected),
        pins=tls.pins,
        key_pair=_key_pair(tls.certificate, tls.key),
        min_version=_VERSION[tls.min_version],
    )


def _key_pair(certificate: str | None, key: str | None) -> KeyPair | None:
    return KeyPair(certificate, key) if certificate is not None and key is not None else None


def _kind(name: str) -> Literal["DNS", "IP_ADDRESS", "URI"]:
    return "URI" if "://" in name else "IP_ADDRESS" if is_address(name) else "DNS"
