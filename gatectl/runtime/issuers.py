"""Development issuers: a key pair for each ``jwks: {local: true}``, and tokens signed with it."""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gatectl.compiler import names
from gatectl.diagnostics import GatectlError
from gatectl.rollout.place import write_whole
from gatectl.spec.model import Jwt, Spec

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
RSA_BITS = 2048
PREFERRED = "ES256"
"""Small signatures and instant key pairs: used whenever the issuer allows it, else its first algorithm."""
_CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""RFC 7638 section 3.2, RFC 8037 appendix A.3."""


def local_issuer(spec: Spec, name: str | None) -> Jwt:
    """The local issuer of that name, or the only one. Raises GatectlError (usage) when there is no such thing."""
    local = {issuer.name: issuer for issuer in spec.authentication.jwt if issuer.jwks.local}
    if not local:
        raise GatectlError("the spec has no local issuer; give one of its issuers `jwks: {local: true}`", 64)
    if name is None and len(local) == 1:
        return next(iter(local.values()))
    if name not in local:
        which = f'"{name}" is no local issuer' if name else "there are several local issuers"
        raise GatectlError(f"{which}; --issuer takes one of: {', '.join(local)}", 64)
    return local[name]


def ensure_local_issuers(spec: Spec, state_dir: Path) -> None:
    """Have a key pair for each local issuer: private PEM and public JWKS (RFC 7517), both for the owner only.

    A pair that is there stays, unless its algorithm is no longer among the issuer's. Raises GatectlError when the
    files cannot be written.
    """
    for issuer in spec.authentication.jwt:
        if issuer.jwks.local:
            try:
                (state_dir / names.local_signing_key_file(issuer.name)).parent.mkdir(0o700, parents=True, exist_ok=True)
                _ensure(issuer, state_dir)
            except OSError as error:
                raise GatectlError(
                    f"the key pair of issuer {issuer.name} cannot be kept in {state_dir}: {error.strerror}"
                ) from None


def mint_token(
    spec: Spec,
    state_dir: Path,
    issuer: str,
    user: str,
    roles: Sequence[str],
    plan: str | None,
    attributes: Mapping[str, str],
    lifetime_seconds: int,
) -> str:
    """A token (RFC 7519) that the gateway takes for one of the issuer's, valid from now for ``lifetime_seconds``.

    User, roles, plan and attributes go where the issuer's ``claims`` say. Raises GatectlError when there is no such
    issuer, no key pair yet, or no claim for what is asked.
    """
    chosen = local_issuer(spec, issuer)
    if lifetime_seconds * 1000 > chosen.max_lifetime:
        raise GatectlError(f"issuer {issuer} may not sign for so long: its max_lifetime is shorter", 64)
    key = _load(state_dir / names.local_signing_key_file(chosen.name))
    if key is None:
        raise GatectlError(f"issuer {issuer} has no key pair in {state_dir} yet; `gatectl up` makes one")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": chosen.issuer,
        "aud": chosen.audiences[0],
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_seconds,
        "jti": str(uuid.uuid4()),
    }
    place_identity(claims, chosen, user, roles, plan, attributes)
    return sign(claims, chosen, key)


def place_identity(
    claims: dict[str, Any],
    issuer: Jwt,
    user: str,
    roles: Sequence[str],
    plan: str | None,
    attributes: Mapping[str, str],
) -> None:
    """Add to ``claims`` who the bearer is, where the issuer's ``claims`` say.

    Raises GatectlError (usage) when the issuer has no claim for what is asked.
    """
    _place(claims, issuer, issuer.claims.user, "user", user)
    if roles and issuer.claims.roles is None and issuer.claims.map:
        _place_mapped(claims, issuer, roles)
    elif roles:
        _place(claims, issuer, issuer.claims.roles, "roles", list(roles))
    if plan is not None:
        _place(claims, issuer, issuer.claims.plan, "plan", plan)
    for name, value in attributes.items():
        _place(claims, issuer, issuer.claims.attributes.get(name), f"attribute {name}", value)


def sign(claims: Mapping[str, Any], issuer: Jwt, key: PrivateKey) -> str:
    """A token (RFC 7519) with these very claims, whatever they are. Raises GatectlError when the key does not fit."""
    member = _jwk(key, _algorithm(key, issuer))
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm=member["alg"], headers={"kid": member["kid"]})


def generate(issuer: Jwt) -> PrivateKey:
    """A new key pair for one of the issuer's algorithms."""
    return _generate(PREFERRED if PREFERRED in issuer.algorithms else issuer.algorithms[0])


def public_jwks(issuer: Jwt, key: PrivateKey) -> bytes:
    """The public half as a JWKS document (RFC 7517). Raises GatectlError when the key does not fit the issuer."""
    return json.dumps({"keys": [_jwk(key, _algorithm(key, issuer))]}).encode()


def _place(claims: dict[str, Any], issuer: Jwt, path: str | None, what: str, value: Any) -> None:
    """Put a value where a dotted path leads (``realm_access.roles``)."""
    if path is None:
        raise GatectlError(f"issuer {issuer.name} has no claim for {what}; name one under `claims`", 64)
    *parents, last = path.split(".")
    for parent in parents:
        claims = claims.setdefault(parent, {})
        if not isinstance(claims, dict):
            break
    if not isinstance(claims, dict) or last in claims:
        raise GatectlError(f"issuer {issuer.name}: claim {path} is to hold {what} and something else, too", 64)
    claims[last] = value


def _place_mapped(claims: dict[str, Any], issuer: Jwt, roles: Sequence[str]) -> None:
    """Put in what the issuer's mappings turn into these roles, and into nothing else."""
    missing, lists = set(roles), dict[str, list[str]]()
    for mapping in issuer.claims.map:
        useful = missing & set(mapping.roles) and set(mapping.roles) <= set(roles)
        if useful and mapping.plan is None and not mapping.attributes:
            what = f"roles {', '.join(mapping.roles)}"
            if mapping.contains is None:
                _place(claims, issuer, mapping.claim, what, mapping.equals)
            elif mapping.claim in lists:
                lists[mapping.claim].append(mapping.contains)
            else:
                lists[mapping.claim] = [mapping.contains]
                _place(claims, issuer, mapping.claim, what, lists[mapping.claim])
            missing -= set(mapping.roles)
    if missing:
        raise GatectlError(
            f"issuer {issuer.name} maps no claim to {', '.join(sorted(missing))} alone; add one under `claims`", 64
        )


def ensure_identity_key(state_dir: Path) -> Path:
    """The file with the key that signs ``x-gate-identity``, made when it is not there; for the owner only.

    Raises GatectlError when it cannot be written.
    """
    path = state_dir / names.IDENTITY_KEY_FILE
    try:
        if not path.exists():
            write_whole(path, _pem(_generate("ES256")))
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _ensure(issuer: Jwt, state_dir: Path) -> None:
    pem = state_dir / names.local_signing_key_file(issuer.name)
    key = _load(pem)
    if key is None or not _fitting(key, issuer):
        key = generate(issuer)
        write_whole(pem, _pem(key))
    document = public_jwks(issuer, key)
    jwks = state_dir / names.local_jwks_file(issuer.name)
    if not jwks.exists() or jwks.read_bytes() != document:
        write_whole(jwks, document)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _generate(algorithm: str) -> PrivateKey:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def _load(pem: Path) -> PrivateKey | None:
    """The key in a file; None when there is none, or nothing that this module writes."""
    try:
        key = serialization.load_pem_private_key(pem.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, PrivateKey) else None


def _fitting(key: PrivateKey, issuer: Jwt) -> list[str]:
    """Those of the issuer's algorithms that the key can sign with, in the issuer's order."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        able = {name for name, curve in _CURVES.items() if curve.name == key.curve.name}
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        able = {"EdDSA"}
    else:
        able = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    return [algorithm for algorithm in issuer.algorithms if algorithm in able]


def _algorithm(key: PrivateKey, issuer: Jwt) -> str:
    fitting = _fitting(key, issuer)
    if not fitting:
        raise GatectlError(
            f"the key pair of issuer {issuer.name} fits none of its algorithms; `gatectl up` makes another"
        )
    return fitting[0]


def _jwk(key: PrivateKey, algorithm: str) -> dict[str, Any]:
    """The public half as a JWK (RFC 7517); its ``kid`` is its thumbprint (RFC 7638)."""
    member: dict[str, Any]
    if isinstance(key, rsa.RSAPrivateKey):
        member = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        member = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        member = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public = {name: member[name] for name in _THUMBPRINT_MEMBERS[member["kty"]]}
    digest = hashlib.sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {**public, "kid": kid, "use": "sig", "alg": algorithm}
