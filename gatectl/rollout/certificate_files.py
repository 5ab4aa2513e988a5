"""The certificates and keys that a spec names, looked into before an Envoy has to.

Files are where Envoy runs. Those that are not on this machine cannot be judged: that is a warning, and the apply itself
waits until every Envoy has read its own.
"""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gatectl.diagnostics import Diagnostic, Location
from gatectl.spec.model import ListenerTls, Spec, UpstreamTls
from gatectl.spec.tree import Node

_RSA_BITS = 2048
"""Envoy refuses smaller keys."""
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
T = TypeVar("T")
Certificates = list[x509.Certificate]


class _UnusableError(Exception):
    """What is wrong with a file, as the end of a sentence."""


def check(spec: Spec, tree: Node, now: datetime | None = None) -> list[Diagnostic]:
    """What is wrong with the files (GC0109), and which of them are not here (GC0110, a warning).

    Contents are never part of a message. ``now`` is for tests.
    """
    files = _Files(tree, now or datetime.now(UTC))
    listener = spec.listener.tls
    if listener is not None:
        files.pair("the listener", listener, "listener", "tls")
        files.authority("the listener", listener.client_ca, "listener", "tls", "client_ca")
        files.revoked("the listener", listener.client_crl, "listener", "tls", "client_crl")
    for name, upstream in spec.upstreams.items():
        if upstream.tls is not None:
            files.pair(f'upstream "{name}"', upstream.tls, "upstreams", name, "tls")
            files.authority(f'upstream "{name}"', upstream.tls.ca, "upstreams", name, "tls", "ca")
    return files.diagnostics


class _Files:
    """The files of one spec, and what was found out about them."""

    def __init__(self, tree: Node, now: datetime) -> None:
        self._tree, self._now = tree, now
        self.diagnostics: list[Diagnostic] = []

    def pair(self, who: str, tls: ListenerTls | UpstreamTls, *path: str) -> None:
        chain = self._read(who, tls.certificate, self._chain, *path, "certificate")
        key = self._read(who, tls.key, _key, *path, "key")
        if chain is not None and key is not None and _public(key.public_key()) != _public(chain[0].public_key()):
            self._wrong(who, "key", "is not the key of the certificate", *path, "key")

    def authority(self, who: str, file: str | None, *path: str) -> None:
        self._read(who, file, self._roots, *path)

    def revoked(self, who: str, file: str | None, *path: str) -> None:
        self._read(who, file, _revoked, *path)

    def _chain(self, content: bytes) -> Certificates:
        """The certificate first, and each one signed by the next."""
        chain = _certificates(content)
        _usable_key(chain[0].public_key())
        for one in chain:
            self._in_time(one)
        for one, issuer in itertools.pairwise(chain):
            try:
                one.verify_directly_issued_by(issuer)
            except (InvalidSignature, *_UNREADABLE):
                raise _UnusableError("is no chain: each certificate must be signed by the next one") from None
        return chain

    def _roots(self, content: bytes) -> Certificates:
        found = _certificates(content)
        if all(one.not_valid_after_utc < self._now for one in found):
            raise _UnusableError("has expired, all of it")
        return found

    def _in_time(self, one: x509.Certificate) -> None:
        if one.not_valid_after_utc < self._now:
            raise _UnusableError(f"has expired: it was good until {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        if one.not_valid_before_utc > self._now:
            raise _UnusableError(f"is good from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only")

    def _read(self, who: str, file: str | None, parse: Callable[[bytes], T], *path: str) -> T | None:
        if file is None:
            return None
        try:
            return parse(Path(file).read_bytes())
        except OSError as error:
            node, reason = self._tree.find(path), (error.strerror or "unreadable").lower()
            message = f"{who}: {path[-1]} was not checked: {node.shown} cannot be read on this machine ({reason})"
            hint = "nothing is wrong if Envoy runs elsewhere and has it there"
            self.diagnostics.append(Diagnostic("GC0110", message, node.at, hint, "warning"))
        except _UnusableError as error:
            self._wrong(who, path[-1], str(error), *path)
        return None

    def _wrong(self, who: str, what: str, why: str, *path: str) -> None:
        at: Location = self._tree.find(path).at
        self.diagnostics.append(Diagnostic("GC0109", f"{who}: {what} {why}", at))


def _certificates(content: bytes) -> Certificates:
    try:
        return x509.load_pem_x509_certificates(content)
    except _UNREADABLE:
        raise _UnusableError("holds no certificates in PEM") from None


def _key(content: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise _UnusableError("is encrypted, and Envoy is told no passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _UnusableError("holds no private key in PEM") from None
    _usable_key(key.public_key())
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def _revoked(content: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(content)
    except _UNREADABLE:
        raise _UnusableError("holds no revocation list in PEM") from None


def _usable_key(key: object) -> None:
    rsa_ok = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS
    if not rsa_ok and not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)):
        raise _UnusableError(f"has a key that Envoy does not take: RSA from {_RSA_BITS} bits on, P-256, P-384 or P-521")


def _public(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
