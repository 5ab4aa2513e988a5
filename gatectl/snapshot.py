"""What was meant: the gateway with every name minted, every default filled in and every reference resolved.

Plain frozen values between the spec's language and Envoy's. Times are milliseconds, sizes bytes. The two service
policies are the services' own types; their ``revision`` is filled in when the bundle is sealed.
"""

from dataclasses import dataclass
from typing import Literal

from ext_authz import policy as authz
from ratelimit_svc import policy as limits

TlsVersion = Literal["TLSv1_2", "TLSv1_3"]


@dataclass(frozen=True)
class KeyPair:
    """PEM files of a certificate with its chain, and of its private key."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Authority:
    """PEM files of those who sign certificates that are believed, and of what they have revoked."""

    certificates: str
    crl: str | None = None


@dataclass(frozen=True)
class DownstreamTls:
    """How clients and the gateway prove who they are. Without ``client_ca`` no client is asked."""

    key_pair: KeyPair
    min_version: TlsVersion
    client_ca: Authority | None
    require_client_certificate: bool
    http2: bool
    http3: bool


@dataclass(frozen=True)
class SubjectName:
    """Whom a certificate must be for. ``kind`` is Envoy's word."""

    kind: Literal["DNS", "IP_ADDRESS", "URI"]
    value: str


@dataclass(frozen=True)
class UpstreamTls:
    """How an upstream is known for what it is. Without ``ca`` it is not.

    ``sni`` None: the endpoint's host name when ``auto_sni``, else none is sent. ``names`` empty: the certificate must
    be for the name that is sent. Every pin is the base64 of a SHA-256; one must match when there are any.
    """

    ca: Authority | None
    sni: str | None
    auto_sni: bool
    names: tuple[SubjectName, ...]
    pins: tuple[str, ...]
    key_pair: KeyPair | None
    min_version: TlsVersion


@dataclass(frozen=True)
class Listener:
    """Where clients connect."""

    address: str
    port: int
    tls: DownstreamTls | None
    max_request_body: int
    max_request_headers_kib: int
    max_connections: int
    idle_timeout_ms: int
    request_headers_timeout_ms: int
    request_timeout_ms: int
    trusted_proxies: int


@dataclass(frozen=True)
class AddressLimit:
    """How much Envoy takes from one client address; ``exempt`` are networks as (address, prefix length)."""

    requests: int
    window_ms: int
    exempt: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Endpoint:
    """Host name or IP address, and port."""

    host: str
    port: int


@dataclass(frozen=True)
class HealthCheck:
    """An active HTTP health check."""

    path: str
    interval_ms: int
    timeout_ms: int
    healthy_threshold: int
    unhealthy_threshold: int


@dataclass(frozen=True)
class AdaptiveConcurrency:
    """How many requests an upstream gets at once, by their latency. ``filter`` is the name of its filter.

    ``unloaded_latency_ms`` None: measured.
    """

    filter: str
    unloaded_latency_ms: int | None
    headroom_percent: int
    min_requests: int
    max_requests: int


@dataclass(frozen=True)
class AdmissionControl:
    """What share of requests is kept from an upstream that fails. ``filter`` is the name of its filter."""

    filter: str
    success_percent: int
    window_ms: int
    min_requests_per_second: int
    max_rejection_percent: int


@dataclass(frozen=True)
class Cluster:
    """One upstream as Envoy's cluster."""

    id: str
    endpoints: tuple[Endpoint, ...]
    discovery: Literal["STATIC", "STRICT_DNS"]
    lb_policy: Literal["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH"]
    http2: bool
    tls: UpstreamTls | None
    connect_timeout_ms: int
    max_connections: int
    max_pending_requests: int
    max_requests: int
    retry_budget_percent: int
    consecutive_failures: int
    ejection_time_ms: int
    health_check: HealthCheck | None
    adaptive_concurrency: AdaptiveConcurrency | None
    admission_control: AdmissionControl | None


@dataclass(frozen=True)
class PathMatch:
    """``prefix`` takes whole segments, ``all`` every path; ``template`` is in Envoy's syntax."""

    kind: Literal["exact", "prefix", "all", "template"]
    value: str


@dataclass(frozen=True)
class HeaderMatch:
    """A request header that must be there, and how its value must be."""

    name: str
    kind: Literal["exact", "prefix", "present"]
    value: str


@dataclass(frozen=True)
class Retry:
    """Envoy's retry_on words, comma separated; times in milliseconds."""

    on: str
    attempts: int
    per_try_timeout_ms: int | None


@dataclass(frozen=True)
class Rewrite:
    """What of the path (RE2) is exchanged for what."""

    pattern: str
    substitution: str


@dataclass(frozen=True)
class Cors:
    """Cross-origin policy. Origins are exact; ``allow_any_origin`` goes beyond them."""

    allow_origins: tuple[str, ...]
    allow_any_origin: bool
    allow_methods: str
    allow_headers: str
    expose_headers: str
    allow_credentials: bool
    max_age_seconds: int


@dataclass(frozen=True)
class DescriptorEntry:
    """One entry of a rate-limit descriptor: a constant or one of Envoy's format commands, a path in ext_authz's
    dynamic metadata, or a request header, which is left out when the request has none.
    """

    key: str
    constant: str | None = None
    metadata: tuple[str, ...] = ()
    header: str | None = None


@dataclass(frozen=True)
class Descriptor:
    """What the limiter is told of a request for one limit: before it goes on, or when its stream has ended."""

    entries: tuple[DescriptorEntry, ...]
    ended: bool = False
    hits: int | None = None
    """What it adds; None: one."""


@dataclass(frozen=True)
class Unjudged:
    """What an address may send on routes with limits while the limiter gives no answer. ``filter``: its name."""

    filter: str
    requests: int
    window_ms: int


@dataclass(frozen=True)
class Route:
    """One route of Envoy, with what ext_authz and the limiter are told when it matches."""

    id: str
    path: PathMatch
    methods: str | None
    """RE2 of the methods; None for any."""
    headers: tuple[HeaderMatch, ...]
    cluster: str
    timeout_ms: int
    retry: Retry
    rewrite: Rewrite | None
    hash_by: Literal["client_address", "user"] | None
    request_headers_set: tuple[tuple[str, str], ...]
    request_headers_remove: tuple[str, ...]
    response_headers_set: tuple[tuple[str, str], ...]
    response_headers_remove: tuple[str, ...]
    cors: Cors | None
    own_filters: tuple[str, ...]
    """Names of the filters that work on some routes only, and on this one."""
    descriptors: tuple[Descriptor, ...]


@dataclass(frozen=True)
class VirtualHost:
    """Routes of a group of host names, in order."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Snapshot:
    """A whole gateway, ready to render."""

    name: str
    listener: Listener
    clusters: tuple[Cluster, ...]
    virtual_hosts: tuple[VirtualHost, ...]
    credential_headers: tuple[str, ...]
    """Lower-case request headers that may carry a credential. ext_authz is shown these, and those of the next field."""
    condition_headers: tuple[str, ...]
    """Lower-case request headers that access rules look at."""
    unjudged: Unjudged | None
    """None: nothing passes while the limiter gives no answer."""
    address_limit: AddressLimit | None
    authz: authz.Policy
    limits: limits.Policy
