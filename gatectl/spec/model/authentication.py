"""How callers prove who they are."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from ext_authz.policy import DEFAULT_KEY_PREFIX, Algorithm
from gatectl.fields import (
    AttributeName,
    Duration,
    HeaderName,
    KeyPrefix,
    Name,
    Omittable,
    ParameterName,
    Text,
    UserName,
)
from gatectl.spec.model.section import Section


class StaticKey(Section):
    """An API key known by its SHA-256 only (``printf %s "$KEY" | sha256sum``)."""

    id: Name
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    user: UserName
    roles: tuple[Name, ...] = ()
    plan: Omittable[Name] = None
    attributes: dict[AttributeName, Text] = {}


class ApiKeys(Section):
    """Keys made by ``gatectl keys create``, and static ones.

    They come in a header, a query parameter or a cookie: in those that are named, and where none is, in the header
    X-API-Key.
    """

    header: Omittable[HeaderName] = None
    query: Omittable[ParameterName] = None
    cookie: Omittable[ParameterName] = None
    prefix: KeyPrefix = DEFAULT_KEY_PREFIX
    """What new keys begin with."""
    static: tuple[StaticKey, ...] = ()
    stale: Duration = 60_000
    """How long a key already seen keeps working while Redis is away."""

    @model_validator(mode="before")
    @classmethod
    def _somewhere(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and not fields.keys() & {"header", "query", "cookie"}:
            return {**fields, "header": "X-API-Key"}
        return fields


_KEY_SET_URL = r"^(https://|http://(localhost|127\.[0-9.]+|\[::1\])([:/]|$))"
"""ext_authz fetches keys over plain http from this very machine only."""


class Jwks(Section):
    """Exactly one source of public keys. ``local``: a development key pair kept in the state directory."""

    file: Omittable[Text] = None
    url: Omittable[Annotated[Text, StringConstraints(pattern=_KEY_SET_URL)]] = None
    local: Omittable[Literal[True]] = None
    refresh: Annotated[Duration, Field(ge=10_000, le=86_400_000)] = 300_000
    """How often the URL is asked."""
    max_stale: Annotated[Duration, Field(ge=10_000)] = 86_400_000
    """Keys that could not be read again for so long are no longer used."""


class ClaimMapping(Section):
    """What a token gets whose claim (a dotted path) equals a text, or contains it: in a list, or as a word."""

    claim: Text
    equals: Omittable[Text] = None
    contains: Omittable[Text] = None
    roles: tuple[Name, ...] = ()
    plan: Omittable[Name] = None
    attributes: dict[AttributeName, Text] = {}


class Claims(Section):
    """Which claims (dotted paths) become the user's properties, and what else follows from claims (``map``)."""

    map: tuple[ClaimMapping, ...] = ()
    user: Text = "sub"
    roles: Text | None = Field(default_factory=lambda given: None if given.get("map") else "roles")
    """Beside a ``map`` there is no default: the issuer's own role names count only where somebody wants them."""
    plan: Omittable[Text] = None
    attributes: dict[AttributeName, Text] = {}


class Jwt(Section):
    """One trusted token issuer."""

    name: Name
    issuer: Text
    audiences: Annotated[tuple[Text, ...], Field(min_length=1)]
    jwks: Jwks
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256", "EdDSA")
    claims: Claims = Claims()
    leeway: Annotated[Duration, Field(le=300_000)] = 30_000
    max_lifetime: Annotated[Duration, Field(ge=1_000)] = 86_400_000
    """A token that says it is valid for longer is refused."""


class TokenRevocation(Section):
    """Tokens taken back by ``gatectl tokens revoke``."""

    stale: Duration = 300_000
    """How long the last known list holds while Redis is away; then tokens are refused."""


class IdentityToken(Section):
    """Tells upstreams who is calling in a header that they can verify: ``x-gate-identity``."""

    audiences: Annotated[tuple[Text, ...], Field(min_length=1)]
    issuer: Omittable[Text] = None
    """The gateway's name, unless given."""
    lifetime: Annotated[Duration, Field(ge=10_000, le=3_600_000)] = 60_000


class Certificate(Section):
    """The holder of a client certificate, by the first URI name in it, else by its first DNS name: one of the two."""

    uri: Omittable[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*://[!-~]+$", max_length=2048)]] = None
    dns: Omittable[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$", max_length=253)]] = None
    user: UserName
    roles: tuple[Name, ...] = ()
    plan: Omittable[Name] = None
    attributes: dict[AttributeName, Text] = {}


Means = Literal["api_key", "jwt", "mtls"]
"""A way to prove who is calling."""


class Accepted(Section):
    """Which means are taken: any one of them, or all of them together. Exactly one of the two is given."""

    any: Omittable[Annotated[tuple[Means, ...], Field(min_length=1)]] = None
    all: Omittable[Annotated[tuple[Means, ...], Field(min_length=1)]] = None


class Authentication(Accepted):
    """How callers prove who they are; ``any`` or ``all`` holds for routes that do not say it themselves."""

    api_keys: Omittable[ApiKeys] = None
    jwt: tuple[Jwt, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    token_revocation: TokenRevocation = TokenRevocation()
    identity_token: Omittable[IdentityToken] = None
    forward_credentials: bool = False
    """Upstreams get identity headers; the credential itself only when this is true."""
