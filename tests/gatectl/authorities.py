"""Certificates for tests: authorities, and what they sign."""

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Certified:
    """A certificate, its key, and who signed it (None: itself)."""

    certificate: x509.Certificate
    key: Key
    signer: "Certified | None" = None

    @property
    def serial(self) -> int:
        return self.certificate.serial_number

    @property
    def pin(self) -> str:
        """SHA-256 of the public key, in base64."""

        spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(spki).digest()).decode()

    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    def private(self, encryption: serialization.KeySerializationEncryption | None = None) -> bytes:
        return self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
        )

    def write(self, directory: Path, name: str) -> tuple[str, str]:
        """``<name>.pem`` and ``<name>.key``, each put in place by one rename."""
        directory.mkdir(exist_ok=True)
        paths = directory / f"{name}.pem", directory / f"{name}.key"
        for path, content in zip(paths, (self.pem(), self.private()), strict=True):
            fresh = path.with_name(f".{path.name}")
            fresh.write_bytes(content)
            fresh.replace(path)
        return str(paths[0]), str(paths[1])

    def revoke(self, *revoked: "Certified", days: float = 30) -> bytes:
        """A revocation list of this authority, in PEM, good for so many days."""
        now = datetime.now(UTC)
        crl = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        crl = crl.last_update(now - timedelta(days=60)).next_update(now + timedelta(days=days))
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(now)
            crl = crl.add_revoked_certificate(entry.build())
        return crl.sign(self.key, hashes.SHA256()).public_bytes(PEM)


def certify(
    name: str,
    signer: Certified | None = None,
    names: Sequence[str] = (),
    days: float = 30,
    since: float = -60,
    key: Key | None = None,
    ca: bool = False,
) -> Certified:
    """A certificate for ``names`` (URIs, IP addresses, host names), good from ``since`` days from now for ``days``."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=days, minutes=5))
        .add_extension(x509.BasicConstraints(ca=ca or signer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
    return Certified(builder.sign((signer.key if signer else key), hashes.SHA256()), key, signer)


def _general(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
