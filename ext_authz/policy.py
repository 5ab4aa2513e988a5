"""THE CONTRACT of ext_authz: the document it obeys.

The gateway compiler builds exactly these types and writes them as ``authz.json``; the service loads them back.
Nothing here does I/O. A document of an unknown ``format`` is refused whole: a service that half
understands a policy would half enforce it.
"""

import ipaddress
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ext_authz.condition import Condition
from ext_authz.evaluation import Facts, Truth, compiled

FORMAT: Literal[2] = 2

ROUTE_KEY = "route"
"""``context_extensions`` entry that carries the route id (envoy.service.auth.v3.AttributeContext)."""
REVISION_KEY = "revision"
"""``context_extensions`` entry that carries the revision which routed the request."""

HEADER_USER = "x-gate-user"
HEADER_ROLES = "x-gate-roles"
HEADER_PLAN = "x-gate-plan"
HEADER_AUTH_METHOD = "x-gate-auth-method"
HEADER_IDENTITY = "x-gate-identity"
"""The caller as a JWT that the gateway signed, for upstreams that want proof (:class:`IdentityToken`)."""
IDENTITY_HEADER_PREFIX = "x-gate-"
"""Every header with this prefix is written by the gateway only; what a client sends under it is dropped."""
IDENTITY_HEADERS = (HEADER_USER, HEADER_ROLES, HEADER_PLAN, HEADER_AUTH_METHOD, HEADER_IDENTITY)

METADATA_NAMESPACE = "envoy.filters.http.ext_authz"
"""Where Envoy keeps the dynamic metadata of a CheckResponse."""
METADATA_SUBJECT = "subject"
"""``user:<id>`` or, for an anonymous caller, ``address:<ip>``: what per-user limits count by."""
METADATA_USER = "user"
METADATA_ROLE = "role"
"""The role that the granting rule matched; the caller's first one when it names none; ``-`` for a caller without."""
METADATA_PLAN = "plan"
METADATA_KEY_ID = "key_id"
METADATA_ATTRIBUTES = "attributes"
"""A mapping: of each attribute that limits count by the caller's value."""
METADATA_LEASE = "lease"
"""Names this request and no other; no client can choose it."""
METADATA_AUTH_METHOD = "auth_method"
METADATA_CLIENT_ADDRESS = "client_address"
"""The client's address without port, as Envoy determined it."""
METADATA_DECISION = "decision"
METADATA_REASON = "reason"
METADATA_DETAIL = "detail"
"""The sentence of a refusal."""
METADATA_SHADOW = "shadow"
"""``allow`` or ``deny``: how it would have ended with the rules that are not enforced, when one of those matched."""
ABSENT = "-"
"""Stands for "has none" in metadata: Envoy drops a descriptor whose value is missing or empty."""

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


MAX_NAME_LENGTH = 256
"""Longest user id, role or plan, in characters."""


def is_name(value: Any) -> TypeGuard[str]:
    """Whether a value can be a user id, role or plan: 1 to 256 printable characters that survive a header unchanged.

    Refused: control characters and lone surrogates (header injection), commas (roles are joined by them), outer
    spaces (header parsers trim them, which would make another name) and ``-`` (stands for "has none").
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_LENGTH
        and value.isprintable()
        and "," not in value
        and value == value.strip()
        and value != ABSENT
    )


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("a network is an address and a length, such as 10.0.0.0/8 or 2001:db8::/32") from None


Network = Annotated[str, AfterValidator(_network)]
"""A CIDR block (RFC 4632), IPv4 or IPv6, no bits set beyond its length; one address is a block too."""


class Jwks(_Document):
    """Where an issuer's public keys come from (RFC 7517): exactly one of the two is set.

    ``file`` is an absolute path, or a path relative to the service's state directory.
    """

    file: str | None = None
    url: str | None = None
    refresh_seconds: int = Field(default=300, ge=10, le=86_400)
    """How often a URL is asked. A file is looked at every second."""
    max_stale_seconds: int = Field(default=86_400, ge=10)
    """A set that could not be read again for so long is no longer used: its tokens cannot be judged."""


class ClaimMapping(_Document):
    """What a token gets that carries a claim with a certain value: exactly one of ``equals`` and ``contains`` is set.

    ``equals``: the claim is this text, number or truth value, as JSON writes it. ``contains``: it is a list with this
    text in it, or a text that has it among its words (``scope``, RFC 8693 section 4.2).
    """

    claim: str
    equals: str | None = None
    contains: str | None = None
    roles: tuple[str, ...] = ()
    plan: str | None = None
    attributes: dict[str, str] = {}


class Issuer(_Document):
    """One trusted token issuer (RFC 7519) and how its claims become a user.

    A claim is named by a dotted path (``realm_access.roles``); ``attributes`` maps a user attribute's name to one.
    """

    name: str
    issuer: str
    audiences: tuple[str, ...] = Field(min_length=1)
    algorithms: tuple[Algorithm, ...] = Field(min_length=1)
    jwks: Jwks
    leeway_seconds: int = Field(default=30, ge=0, le=300)
    max_lifetime_seconds: int = Field(default=86_400, ge=1)
    """Longest ``exp - iat``."""
    user_claim: str = "sub"
    roles_claim: str | None = "roles"
    plan_claim: str | None = None
    attributes: dict[str, str] = {}
    mappings: tuple[ClaimMapping, ...] = ()
    """Roles add up with those of ``roles_claim``. Of plans and attributes the first mapping's holds, else the claim."""


class IdentityToken(_Document):
    """The signed identity header: a JWT (RFC 7519, ES256) that upstreams verify by the service's published keys."""

    issuer: str
    audiences: tuple[str, ...] = Field(min_length=1)
    lifetime_seconds: int = Field(default=60, ge=10, le=3600)


DEFAULT_KEY_PREFIX = "gk"


class StaticKey(_Document):
    """An API key that the spec itself carries, by its SHA-256 (lower-case hex of the whole key as sent)."""

    id: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    user: str
    roles: tuple[str, ...] = ()
    plan: str | None = None
    attributes: dict[str, str] = {}


class ApiKeys(_Document):
    """API keys: where in a request they come (any of the three), and those that are not in Redis.

    ``header`` is lower-case; ``query`` names a parameter, ``cookie`` a cookie.
    """

    header: str | None = None
    query: str | None = None
    cookie: str | None = None
    prefix: str = DEFAULT_KEY_PREFIX
    """What new keys begin with. Keys with another prefix stay valid."""
    static: tuple[StaticKey, ...] = ()
    stale_seconds: int = Field(default=60, ge=0)
    """How long a key already seen keeps working while Redis is away."""


class Certificate(_Document):
    """A client certificate by its principal, as Envoy names it: its first URI name, else its first DNS name.

    ``name`` is compared exactly. It never looks like the subject (``CN=…``) of a certificate that has no such name.
    """

    name: str = Field(pattern=r"^([a-z][a-z0-9+.-]*://[!-~]+|[a-z0-9-]+(\.[a-z0-9-]+)*)$")
    user: str
    roles: tuple[str, ...] = ()
    plan: str | None = None
    attributes: dict[str, str] = {}


class Rule(_Document):
    """Matches when method, path, role and condition do; then it grants access, or denies it whatever others grant.

    None: any method, path, authenticated caller. ``path_template`` is for a part of what the route takes, and gives
    the condition its path variables. A rule that is not enforced is judged and changes nothing.
    """

    effect: Literal["allow", "deny"] = "allow"
    enforce: bool = True
    methods: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    """Those who inherit one of them are listed too."""
    path_template: str | None = None
    where: Condition | None = None

    @cached_property
    def holds(self) -> Callable[[Facts], Truth]:
        """Says whether ``where`` holds; made when it is first asked for."""
        return compiled(self.where) if self.where is not None else lambda _: True


class Authentication(_Document):
    """Which authenticators a route accepts: any one of ``methods``, or all of them together.

    With ``all``, the caller is whom the first one proves.
    """

    methods: tuple[str, ...] = Field(min_length=1)
    all: bool = False


class Route(_Document):
    """What one route demands. ``public`` needs no credential, yet a bad credential is still refused."""

    public: bool = False
    authentication: Authentication | None = None
    """None: any authenticator that the policy configures."""
    rules: tuple[Rule, ...] = ()
    path_template: str | None = None
    """Set on routes matched by template (``/customers/{id}``): where path variables come from."""


class Throttling(_Document):
    """What becomes of a client address, or of a key id, that fails to authenticate again and again.

    More than ``slow_after`` failures in a window are answered late; from ``refuse_after`` on nothing unknown is looked
    at for the time of a block. ``exempt`` are networks (CIDR) whose failures count for no address.
    """

    slow_after: int = Field(ge=1)
    refuse_after: int = Field(ge=1)
    window_ms: int = Field(ge=1)
    block_ms: int = Field(ge=1)
    exempt: tuple[Network, ...] = ()


class Policy(_Document):
    """Everything ext_authz obeys for one revision of one gateway; ``routes`` is keyed by route id."""

    format: Literal[2] = FORMAT
    revision: str
    gateway: str
    api_keys: ApiKeys | None = None
    issuers: tuple[Issuer, ...] = ()
    revocations_stale_seconds: int = Field(default=300, ge=0)
    """How long the last known denylist stays in force while Redis is away; then no token can be judged."""
    identity_token: IdentityToken | None = None
    certificates: tuple[Certificate, ...] = ()
    forward_credentials: bool = False
    throttling: Throttling | None = None
    """None: failures are not counted."""
    counted_attributes: tuple[str, ...] = ()
    """Attributes of the caller that limits count by: the only ones told to Envoy."""
    leases: bool = False
    """Whether limits have to know one request from another."""
    routes: dict[str, Route]


def load(document: bytes) -> Policy:
    """Parse ``authz.json``. Raises ValueError (pydantic.ValidationError) when it is not a policy of this format."""
    return Policy.model_validate_json(document)
