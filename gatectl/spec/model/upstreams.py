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


class AdaptiveConcurrency(Section):
    """As many requests at once as keep the latency near what it is without load; others are refused at once (503).

    Envoy's adaptive_concurrency filter, with its gradient controller.
    """

    unloaded_latency: Omittable[Duration] = None
    """The median without load. Left out, Envoy measures it once a minute, with ``min_requests`` at a time meanwhile."""
    headroom_percent: Annotated[int, Field(ge=1, le=1000)] = 25
    """How much slower than that is fine."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 3
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 1000


class AdmissionControl(Section):
    """While an upstream fails more than it may, a share of requests is refused at once (503), by chance.

    Envoy's admission_control filter. A failure is a 5xx, or what gRPC counts as one.
    """

    success_percent: Annotated[int, Field(ge=1, le=100)] = 95
    """With that many successes nothing is refused."""
    window: Annotated[Duration, Field(ge=1000, le=3_600_000)] = 30_000
    min_requests_per_second: Annotated[int, Field(ge=0, le=1_000_000)] = 5
    """With fewer, over the window, nothing is refused."""
    max_rejection_percent: Annotated[int, Field(ge=1, le=99)] = 80
    """What is left gets through, and tells whether the upstream is well again."""


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
    adaptive_concurrency: Omittable[AdaptiveConcurrency] = None
    admission_control: Omittable[AdmissionControl] = None
    health_check: Omittable[HealthCheck] = None
    retries: Retries = Retries()
