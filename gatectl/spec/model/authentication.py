"""How callers prove who they are."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ext_authz.policy import Algorithm
from gatectl.fields import AttributeName, Duration, HeaderName, Name, Omittable, Text, UserName
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
    """Keys made by ``gatectl keys create``, and static ones."""

    header: HeaderName = "X-API-Key"
    static: tuple[StaticKey, ...] = ()
    stale: Duration = 60_000
    """How long a key already seen keeps working while Redis is away."""


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
    forward_credentials: bool = False
    """Upstreams get identity headers; the credential itself only when this is true."""
