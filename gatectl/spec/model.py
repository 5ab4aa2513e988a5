"""The language: every field a user may write. Nothing else is accepted, nothing is guessed.

Units are already plain here: durations in milliseconds, sizes in bytes. What a field defaults to is decided here and
nowhere else; what it means is decided by the compiler.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from ext_authz.policy import Algorithm
from gatectl.fields import (
    Address,
    AttributeName,
    Duration,
    Endpoint,
    HeaderName,
    HeaderValue,
    Host,
    Method,
    Name,
    Omittable,
    Path,
    PathTemplate,
    Port,
    RateField,
    Size,
    Text,
    UserName,
)
from ratelimit_svc.policy import Algorithm as LimitAlgorithm
from ratelimit_svc.policy import Dimension, OnStoreFailure


class Section(BaseModel):
    """A mapping in the spec: immutable, no unknown fields, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Listener(Section):
    """Where clients connect, and what is refused before anything looks at a request."""

    address: Address = "0.0.0.0"  # noqa: S104 - a gateway is there to be reached
    port: Port = 8080
    max_request_body: Size = 1 << 20
    max_request_headers: Annotated[Size, Field(ge=1024, le=8192 << 10)] = 32 << 10
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    idle_timeout: Duration = 300_000
    request_headers_timeout: Duration = 10_000
    request_timeout: Duration = 60_000
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies in front append to X-Forwarded-For; 0 believes none of it."""


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


class Authentication(Section):
    """How callers prove who they are."""

    api_keys: Omittable[ApiKeys] = None
    jwt: tuple[Jwt, ...] = ()
    forward_credentials: bool = False
    """Upstreams get identity headers; the credential itself only when this is true."""


class CircuitBreaker(Section):
    """When an endpoint is ejected, and how much may be under way at once."""

    consecutive_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    ejection_time: Duration = 60_000
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    max_pending_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 1024


class HealthCheck(Section):
    """An active HTTP health check; 200 is healthy."""

    path: Path
    interval: Duration = 5_000
    timeout: Duration = 2_000
    healthy_threshold: Annotated[int, Field(ge=1, le=100)] = 2
    unhealthy_threshold: Annotated[int, Field(ge=1, le=100)] = 3


RetryOn = Literal["connect-failure", "refused-stream", "reset", "5xx", "gateway-error", "retriable-4xx"]


class Retries(Section):
    """Retries, and the share of active requests (percent) that may be retries at any time."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 1
    on: Annotated[tuple[RetryOn, ...], Field(min_length=1)] = ("connect-failure", "refused-stream")
    per_try_timeout: Omittable[Duration] = None
    budget_percent: Annotated[int, Field(ge=1, le=100)] = 20


class Upstream(Section):
    """A service behind the gateway."""

    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1, max_length=1000)]
    protocol: Literal["http1", "http2"] = "http1"
    load_balancing: Literal["round_robin", "least_request", "ring_hash"] = "round_robin"
    hash_by: Omittable[Literal["client_address", "user"]] = None
    """What ``ring_hash`` hashes."""
    connect_timeout: Duration = 2_000
    timeout: Duration = 30_000
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    health_check: Omittable[HealthCheck] = None
    retries: Retries = Retries()


class HeaderMatcher(Section):
    """One way to match a header's value."""

    exact: Omittable[HeaderValue] = None
    prefix: Omittable[HeaderValue] = None
    present: Omittable[Literal[True]] = None


def _kind(value: Any) -> str:
    return "object" if isinstance(value, (dict, BaseModel)) else "list" if isinstance(value, (tuple, list)) else "text"


HeaderMatch = Annotated[
    Annotated[HeaderValue, Tag("text")] | Annotated[HeaderMatcher, Tag("object")], Discriminator(_kind)
]


class Match(Section):
    """Which requests a route takes: exactly one of the three paths, and all of the rest."""

    path: Omittable[Path] = None
    path_prefix: Omittable[Path] = None
    path_template: Omittable[PathTemplate] = None
    hosts: tuple[Host, ...] = ()
    methods: tuple[Method, ...] = ()
    headers: dict[HeaderName, HeaderMatch] = {}


class AccessRule(Section):
    """Grants access when method, role and every ``where`` condition match.

    No ``methods``: any method. No ``roles``: any authenticated caller. ``where`` maps a variable of the route's path
    template to a property of the user: ``user.id``, ``user.plan`` or ``user.<attribute>``.
    """

    methods: Omittable[Annotated[tuple[Method, ...], Field(min_length=1)]] = None
    roles: Omittable[Annotated[tuple[Name, ...], Field(min_length=1)]] = None
    where: dict[str, Annotated[str, StringConstraints(pattern=r"^user\.[a-z][a-z0-9_]*$")]] = {}


Access = Annotated[
    Annotated[Literal["public", "authenticated"], Tag("text")]
    | Annotated[AccessRule, Tag("object")]
    | Annotated[tuple[AccessRule, ...], Field(min_length=1), Tag("list")],
    Discriminator(_kind),
]


class Headers(Section):
    """Changes to headers. ``set`` replaces what is there."""

    set: dict[HeaderName, HeaderValue] = {}
    remove: tuple[HeaderName, ...] = ()


class Cors(Section):
    """Cross-origin access for browsers (Fetch standard)."""

    allow_origins: Annotated[tuple[Text, ...], Field(min_length=1)]
    allow_methods: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    allow_headers: tuple[HeaderName, ...] = ("authorization", "content-type", "x-api-key")
    expose_headers: tuple[HeaderName, ...] = (
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    )
    allow_credentials: bool = False
    max_age: Duration = 600_000


class Route(Section):
    """Requests that match go to ``upstream`` if ``access`` lets them. The first route that matches wins."""

    name: Name
    match: Match
    upstream: Name
    access: Access
    timeout: Omittable[Duration] = None
    """Overrides the upstream's."""
    rewrite_prefix: Omittable[Path] = None
    """Replaces what ``path_prefix`` matched."""
    request_headers: Headers = Headers()
    response_headers: Headers = Headers()
    cors: Omittable[Cors] = None


class RateLimit(Section):
    """At most ``limit`` for each distinct combination of the ``per`` values.

    ``routes``: only there (default: all). ``when``: only for callers whose dimension has one of these values.
    """

    name: Name
    per: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    limit: RateField
    algorithm: LimitAlgorithm = "sliding_window"
    routes: Omittable[tuple[Name, ...]] = None
    when: dict[Literal["role", "plan"], Annotated[tuple[Name, ...], Field(min_length=1)]] = {}


class RateLimiting(Section):
    """``deny`` refuses (503) while Redis is away, ``allow`` goes on with counters local to each service process."""

    when_redis_is_away: OnStoreFailure = "allow"


class Process(Section):
    """A program that ``gatectl up`` starts beside the gateway, in the directory of the spec."""

    name: Name
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    ready: Omittable[Annotated[Text, StringConstraints(pattern=r"^http://")]] = None
    """URL that answers 200 once it is ready."""


class DevelopmentKey(Section):
    """An API key that ``gatectl up`` makes and shows."""

    user: Name
    roles: tuple[Name, ...] = ()
    plan: Omittable[Name] = None
    attributes: dict[AttributeName, Text] = {}


class Try(Section):
    """A request to try: ``gatectl up`` shows it as a curl line. ``repeat`` sends it so many times."""

    title: Text
    path: Path
    key: Omittable[Name] = None
    """The ``user`` of a development key."""
    method: Method = "GET"
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    expect: Annotated[int, Field(ge=100, le=599)]


class Development(Section):
    """For ``gatectl up`` on one machine only: nothing of it reaches Envoy or the services."""

    processes: tuple[Process, ...] = ()
    keys: tuple[DevelopmentKey, ...] = ()
    requests: tuple[Try, ...] = ()


class Spec(Section):
    """A gateway."""

    version: Literal[1]
    name: Name
    listener: Listener = Listener()
    authentication: Authentication = Authentication()
    upstreams: Annotated[dict[Name, Upstream], Field(min_length=1)]
    cors: Omittable[Cors] = None
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    rate_limits: tuple[RateLimit, ...] = ()
    rate_limiting: RateLimiting = RateLimiting()
    development: Development = Development()
