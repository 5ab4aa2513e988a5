"""Services behind the gateway."""

from typing import Annotated, Literal

from pydantic import Field

from gatectl.fields import Duration, Endpoint, Omittable, Path, Pin, ServerName, SubjectName, Text
from gatectl.spec.model.listener import TlsVersion
from gatectl.spec.model.section import Section


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


class UpstreamTls(Section):
    """TLS to an upstream. Its certificate must lead to ``ca`` and be for ``san``, else ``sni``, else the endpoint's
    host name. Files are PEM, as Envoy sees them.
    """

    ca: Omittable[Text] = None
    """Who signs the upstream's certificate; without it, whoever the system trusts where Envoy runs."""
    sni: Omittable[ServerName] = None
    """The name that is asked for (RFC 6066, section 3); the endpoint's host name when nothing is said."""
    san: tuple[SubjectName, ...] = ()
    """The certificate must be for one of these: host names, IP addresses, URIs."""
    pins: tuple[Pin, ...] = ()
    """SHA-256 of public keys, one of which the certificate must have on top."""
    certificate: Omittable[Text] = None
    """What the gateway proves itself with, if the upstream asks."""
    key: Omittable[Text] = None
    min_version: TlsVersion = "1.2"
    insecure_skip_verify: Omittable[Literal[True]] = None
    """Talk to whoever answers."""


class Upstream(Section):
    """A service behind the gateway."""

    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1, max_length=1000)]
    protocol: Literal["http1", "http2"] = "http1"
    tls: Omittable[UpstreamTls] = None
    load_balancing: Literal["round_robin", "least_request", "ring_hash"] = "round_robin"
    hash_by: Omittable[Literal["client_address", "user"]] = None
    """What ``ring_hash`` hashes."""
    connect_timeout: Duration = 2_000
    timeout: Duration = 30_000
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    health_check: Omittable[HealthCheck] = None
    retries: Retries = Retries()
