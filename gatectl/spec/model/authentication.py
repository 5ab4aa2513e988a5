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


class Claims(Section):
    """Which claims (dotted paths) become the user's properties."""

    user: Text = "sub"
    roles: Text | None = "roles"
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


class Authentication(Section):
    """How callers prove who they are."""

    api_keys: Omittable[ApiKeys] = None
    jwt: tuple[Jwt, ...] = ()
    forward_credentials: bool = False
    """Upstreams get identity headers; the credential itself only when this is true."""
