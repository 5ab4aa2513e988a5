"""Who is assumed to call, and a credential that the rehearsal takes for theirs.

The credential is real: a key or a signed token made for this one rehearsal, judged by the real authenticators.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from ext_authz import policy as authz
from gatectl.diagnostics import GatectlError
from gatectl.fields import AttributeName, Omittable, Text, UserName
from gatectl.rehearsal.request import Request
from gatectl.runtime.issuers import PrivateKey, generate, place_identity, public_jwks, sign
from gatectl.spec.model import Jwt, Section, Spec

SOMEBODY = "somebody"
"""The user's name when none is given."""
LIFETIME_SECONDS = 3600
_PATH = ":path"


class Caller(Section):
    """Who calls: a user, the claims of a token, or a key as it is; beside it or alone, a client certificate.

    Nothing of it: an anonymous caller.
    """

    user: Omittable[UserName] = None
    roles: tuple[UserName, ...] = ()
    plan: Omittable[UserName] = None
    attributes: dict[AttributeName, Text] = Field(default_factory=dict)
    jwt: Omittable[dict[str, Any]] = None
    """A claim given as null is left out; ``iss``, ``aud``, ``iat`` and ``exp`` are filled in."""
    key: Omittable[Text] = None
    certificate: Omittable[Annotated[str, StringConstraints(pattern=r"^[!-~]{1,2048}$")]] = None
    """What the gateway knows it by: the first URI in it, else its first DNS name."""

    @property
    def kinds(self) -> list[str]:
        """Which of the first three it is: one at most."""
        assumed = bool(self.user or self.roles or self.plan or self.attributes)
        given = (("user", assumed), ("jwt", self.jwt is not None), ("key", self.key is not None))
        return [kind for kind, there in given if there]


@dataclass(frozen=True)
class Credential:
    """A request header, what may be shown instead of its value, and the claims that were filled in.

    The header ``:path`` stands for a parameter that the query gets besides, an empty one for none. ``certificate`` is
    that of the connection, by its name; empty without one.
    """

    header: str
    value: str
    shown: str
    filled_in: tuple[str, ...] = ()
    certificate: str = ""

    def on(self, request: Request) -> Request:
        """The request with the credential."""
        request = replace(request, certificate=self.certificate)
        if not self.header:
            return request
        if self.header == _PATH:
            mark = "&" if "?" in request.path else "?"
            return replace(request, path=f"{request.path}{mark}{self.value}")
        return replace(request, headers=(*request.headers, (self.header, self.value)))


@dataclass
class Casting:
    """A policy that takes the callers' credentials, which are in their order; None for an anonymous one."""

    policy: authz.Policy
    credentials: list[Credential | None] = field(default_factory=list)


def cast(callers: Sequence[Caller], spec: Spec, policy: authz.Policy, directory: Path) -> Casting:
    """Make a credential for each caller and let the policy take it; public keys are files in ``directory``.

    Raises GatectlError (usage) when the gateway has no way to know such a caller.
    """
    casting = Casting(policy)
    mint = _Mint(spec, directory)
    for caller in callers:
        credential = _credential(caller, casting, mint)
        if caller.certificate is not None:
            if spec.listener.tls is None or spec.listener.tls.client_ca is None:
                raise GatectlError("the gateway asks for no certificates: its spec has no listener.tls.client_ca", 64)
            credential = replace(credential or Credential("", "", ""), certificate=caller.certificate)
        casting.credentials.append(credential)
    issuers = [
        issuer.model_copy(update={"jwks": authz.Jwks(file=str(mint.files[issuer.name]))})
        if issuer.name in mint.files
        else _offline(issuer, directory)
        for issuer in policy.issuers
    ]
    casting.policy = casting.policy.model_copy(update={"issuers": tuple(issuers)})
    return casting


def _offline(issuer: authz.Issuer, directory: Path) -> authz.Issuer:
    """A rehearsal asks nobody: the keys of an issuer that publishes them by URL are not known."""
    if issuer.jwks.url is None:
        return issuer
    return issuer.model_copy(update={"jwks": authz.Jwks(file=str(directory / "unknown.jwks.json"))})


def _credential(caller: Caller, casting: Casting, mint: "_Mint") -> Credential | None:
    if len(caller.kinds) > 1:
        raise GatectlError(f"a caller is described in one way, not by {' and '.join(caller.kinds)}", 64)
    keys = casting.policy.api_keys
    if caller.key is not None:
        if keys is None:
            raise GatectlError("the gateway takes no API keys: its spec has no authentication.api_keys", 64)
        return _placed(keys, caller.key, "(the key)")
    if caller.jwt is not None:
        return mint.token(caller.jwt)
    if not caller.kinds:
        return None
    user = caller.user or SOMEBODY
    if keys is None:
        return mint.token_of(user, caller)
    value = secrets.token_urlsafe(32)
    static = authz.StaticKey(
        id="throw-away-key",
        sha256=hashlib.sha256(value.encode()).hexdigest(),
        user=user,
        roles=caller.roles,
        plan=caller.plan,
        attributes=dict(caller.attributes),
    )
    more = keys.model_copy(update={"static": (*keys.static, static)})
    casting.policy = casting.policy.model_copy(update={"api_keys": more})
    return _placed(keys, value, "(throw-away key)")


def _placed(keys: authz.ApiKeys, key: str, shown: str) -> Credential:
    """A key where the gateway looks for it. Raises GatectlError (usage) for one that cannot stand there."""
    if keys.header is not None:
        return Credential(keys.header, key, shown)
    header, name = ("cookie", keys.cookie) if keys.cookie is not None else (_PATH, keys.query)
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", key):
        raise GatectlError(
            f"the gateway takes keys as {name}=…, and this one has characters that cannot stand there", 64
        )
    return Credential(header, f"{name}={key}", f"{name}={shown}")


class _Mint:
    """Signs with throw-away keys, one for each issuer that is needed. ``files``: its public keys, by issuer's name."""

    def __init__(self, spec: Spec, directory: Path) -> None:
        self._issuers = spec.authentication.jwt
        self._directory = directory
        self._keys: dict[str, PrivateKey] = {}
        self.files: dict[str, Path] = {}

    def token_of(self, user: str, caller: Caller) -> Credential:
        """A token of the first issuer."""
        issuer, claims = self._issuer({}), dict[str, Any]()
        place_identity(claims, issuer, user, caller.roles, caller.plan, caller.attributes)
        return Credential("authorization", self._sign({**_needed(issuer), **claims}, issuer), "(throw-away token)")

    def token(self, claims: dict[str, Any]) -> Credential:
        """A token with these claims, of the issuer that they name; else signed by the first one's key."""
        issuer = self._issuer(claims)
        needed = {name: value for name, value in _needed(issuer).items() if name not in claims}
        whole = {name: value for name, value in {**needed, **claims}.items() if value is not None}
        return Credential("authorization", self._sign(whole, issuer), "(throw-away token)", tuple(needed))

    def _issuer(self, claims: dict[str, Any]) -> Jwt:
        if not self._issuers:
            raise GatectlError("the gateway takes no tokens: its spec has no authentication.jwt", 64)
        return next((issuer for issuer in self._issuers if issuer.issuer == claims.get("iss")), self._issuers[0])

    def _sign(self, claims: dict[str, Any], issuer: Jwt) -> str:
        if issuer.name not in self._keys:
            key = self._keys[issuer.name] = generate(issuer)
            path = self.files[issuer.name] = self._directory / f"issuer-{len(self.files)}.jwks.json"
            path.write_bytes(public_jwks(issuer, key))
        return f"Bearer {sign(claims, issuer, self._keys[issuer.name])}"


def _needed(issuer: Jwt) -> dict[str, Any]:
    now = int(time.time())
    lifetime = min(LIFETIME_SECONDS, issuer.max_lifetime // 1000)
    return {"iss": issuer.issuer, "aud": issuer.audiences[0], "iat": now, "exp": now + lifetime}
