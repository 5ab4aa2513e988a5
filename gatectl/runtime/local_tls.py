"""The development certificate of ``tls: {local: true}``, and the authority of its own that signs it."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gatectl.compiler import names
from gatectl.diagnostics import GatectlError
from gatectl.rollout.place import write_whole
from gatectl.runtime import ports
from gatectl.spec.model import Spec

_LIFETIME, _RENEWAL = timedelta(days=90), timedelta(days=30)
"""How long both are good for, and from how much on `up` makes them anew."""
_SKEW = timedelta(minutes=5)
_KEY_USAGE = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
GeneralNames = Sequence[x509.GeneralName]


def ensure_local_certificate(spec: Spec, state_dir: Path) -> None:
    """Have a certificate for the listener, good for this machine's own names and the listener's address.

    What is there stays while it is good for a month and for that address. The authority may sign for these names only,
    so that nobody who is made to believe in it believes more. Raises GatectlError when the files cannot be written.
    """
    tls = spec.listener.tls
    if tls is None or not tls.local:
        return
    hosts = {"127.0.0.1", "::1", ports.reachable(spec.listener.address).strip("[]")}
    subjects = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(host)) for host in sorted(hosts))]
    try:
        (state_dir / names.LOCAL_CERTIFICATE).parent.mkdir(0o700, parents=True, exist_ok=True)
        if not _good(state_dir, subjects):
            _make(state_dir, subjects)
    except OSError as error:
        raise GatectlError(f"the local certificate cannot be kept in {state_dir}: {error.strerror}") from None


def _good(state_dir: Path, subjects: GeneralNames) -> bool:
    """Are all three files there, do they belong together, and for a while?"""
    try:
        certificate, authority = (
            x509.load_pem_x509_certificate((state_dir / name).read_bytes())
            for name in (names.LOCAL_CERTIFICATE, names.LOCAL_CA)
        )
        key = serialization.load_pem_private_key((state_dir / names.LOCAL_KEY).read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - whatever is wrong with files of our own, they are made again
        return False
    return (
        list(named) == list(subjects)
        and key.public_key() == certificate.public_key()
        and certificate.not_valid_after_utc - datetime.now(UTC) > _RENEWAL
    )


def _make(state_dir: Path, subjects: GeneralNames) -> None:
    """A new authority signs one certificate, and its key is forgotten. The certificate comes last: see rotation."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"gatectl development {x509.random_serial_number():x}")]
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    only = [
        x509.IPAddress(ipaddress.ip_network(one.value)) if isinstance(one, x509.IPAddress) else one for one in subjects
    ]
    authority = (
        _builder(issuer, issuer, authority_key.public_key(), authority_key.public_key(), {"key_cert_sign"})
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=only, excluded_subtrees=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _builder(subject, issuer, key.public_key(), authority_key.public_key(), {"digital_signature"})
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(state_dir / names.LOCAL_CA, authority.public_bytes(serialization.Encoding.PEM))
    write_whole(state_dir / names.LOCAL_KEY, private)
    write_whole(state_dir / names.LOCAL_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    usage: set[str],
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.KeyUsage(**{name: name in usage for name in _KEY_USAGE}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )
