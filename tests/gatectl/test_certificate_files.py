"""What `validate` finds in certificates and keys, where the spec names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gatectl.diagnostics import SpecError
from gatectl.rollout import certificate_files
from gatectl.rollout.candidate import prove, read
from gatectl.spec.load import load
from tests.gatectl.authorities import certify
from tests.gatectl.specs import text

ROOT = certify("root")
GOOD = certify("good", ROOT, ["localhost"])
BETWEEN = certify("between", ROOT, ca=True)
BELOW = certify("below", BETWEEN)
OLD = certify("old", ROOT, days=-1)
SMALL = certify("small", ROOT, key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - what is refused
STRANGE = certify("strange", ROOT, key=ec.generate_private_key(ec.SECP256K1()))
SECRET = serialization.BestAvailableEncryption(b"secret")
CASES: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "good": ({}, []),
    "a chain": ({"own.pem": BELOW.pem() + BETWEEN.pem(), "own.key": BELOW.private()}, []),
    "rsa": ({}, []),
    "another key": ({"own.key": OLD.private()}, ["6:10 key is not the key of the certificate"]),
    "expired": ({"own.pem": OLD.pem(), "own.key": OLD.private()}, ["5:18 certificate has expired: it was good until"]),
    "too early": (
        {"own.pem": (early := certify("x", ROOT, since=1)).pem(), "own.key": early.private()},
        ["5:18 certificate is good from"],
    ),
    "no certificate": ({"own.pem": b"hello"}, ["5:18 certificate holds no certificates in PEM"]),
    "a key for a certificate": ({"own.pem": GOOD.private()}, ["5:18 certificate holds no certificates in PEM"]),
    "no key": ({"own.key": b"-----BEGIN PRIVATE KEY-----\n"}, ["6:10 key holds no private key in PEM"]),
    "an encrypted key": ({"own.key": GOOD.private(SECRET)}, ["6:10 key is encrypted, and Envoy is told no passphrase"]),
    "a small key": (
        {"own.pem": SMALL.pem(), "own.key": SMALL.private()},
        ["5:18 certificate has a key that Envoy does not take", "6:10 key has a key that Envoy does not take"],
    ),
    "a strange curve": (
        {"own.pem": STRANGE.pem(), "own.key": STRANGE.private()},
        ["5:18 certificate has a key that Envoy does not take", "6:10 key has a key that Envoy does not take"],
    ),
    "a chain out of order": (
        {"own.pem": BELOW.pem() + ROOT.pem(), "own.key": BELOW.private()},
        ["5:18 certificate is no chain: each certificate must be signed by the next one"],
    ),
    "an authority that has expired": (
        {"ca.pem": certify("ca", days=-1).pem()},
        ["7:16 client_ca has expired, all of it"],
    ),
    "one of two that has expired": ({"ca.pem": certify("ca", days=-1).pem() + ROOT.pem()}, []),
    "no revocation list": ({"ca.crl": ROOT.pem()}, ["8:17 client_crl holds no revocation list in PEM"]),
}
LISTENER = {
    "tls": {"certificate": "own.pem", "key": "own.key", "client_ca": "ca.pem", "client_crl": "ca.crl"},
}


def spec(directory: Path, files: dict[str, bytes]) -> str:
    own = {"own.pem": GOOD.pem(), "own.key": GOOD.private(), "ca.pem": ROOT.pem(), "ca.crl": ROOT.revoke(OLD)}
    for name, content in (own | files).items():
        (directory / name).write_bytes(content)
    path = directory / "gateway.yaml"
    path.write_text(text(listener=LISTENER))
    return str(path)


def found(path: str) -> list[str]:
    return [
        f"{one.location.line}:{one.location.column} {one.message.partition(': ')[2]}"
        for one in certificate_files.check(*load([path]))
        if one.location is not None
    ]


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_with_a_file_is_told_where_the_spec_names_it(tmp_path: Path, name: str) -> None:
    files, expected = CASES[name]
    if name == "rsa":
        pair = certify("rsa", ROOT, key=rsa.generate_private_key(65537, 2048))
        files = {"own.pem": pair.pem(), "own.key": pair.private()}
    told = found(spec(tmp_path, files))
    assert len(told) == len(expected)
    assert all(one.startswith(start) for one, start in zip(told, expected, strict=True)), told


def test_nothing_of_a_key_is_ever_told(tmp_path: Path) -> None:
    half = GOOD.private()[:120]
    told = "\n".join(str(one) for one in certificate_files.check(*load([spec(tmp_path, {"own.key": half})])))
    assert told
    assert not any(line in told for line in half.decode().splitlines()[1:])


def missing(directory: Path) -> None:
    (directory / "own.key").unlink()


def a_directory(directory: Path) -> None:
    missing(directory)
    (directory / "own.key").mkdir()


@pytest.mark.parametrize("spoil", [missing, a_directory])
def test_a_file_that_is_not_here_is_a_warning_unless_envoy_runs_here(
    tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    path = spec(tmp_path, {})
    spoil(tmp_path)
    candidate = read([path])
    (warning,) = prove(candidate, "off").unchecked
    assert (warning.code, warning.severity) == ("GC0110", "warning")
    with pytest.raises(SpecError, match="GC0110"):
        prove(candidate, "off", here=True)


def test_files_of_upstreams_are_looked_into_too(tmp_path: Path) -> None:
    path = spec(tmp_path, {"client.pem": OLD.pem(), "client.key": OLD.private(), "empty.pem": b""})
    tls = {"ca": "empty.pem", "certificate": "client.pem", "key": "client.key"}
    Path(path).write_text(text(upstreams={"u": {"endpoints": ["a.example:1"], "tls": tls}}))
    assert [one.partition(" ")[2][:22] for one in found(path)] == ["certificate has expire", "ca holds no certificat"]


def test_a_broken_file_is_no_crash_whatever_is_in_it(tmp_path: Path) -> None:
    for content in (b"", b"\0" * 100, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 50):
        told = found(spec(tmp_path, dict.fromkeys(("own.pem", "own.key", "ca.pem", "ca.crl"), content)))
        assert len(told) == 4, content
