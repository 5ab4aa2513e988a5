"""The language: every field a user may write. Nothing else is accepted, nothing is guessed.

Units are already plain here: durations in milliseconds, sizes in bytes. What a field defaults to is decided here and
nowhere else; what it means is decided by the compiler.
"""

from typing import Annotated, Literal

from pydantic import Field

from gatectl.fields import Name, Omittable
from gatectl.spec.model.abuse import Abuse
from gatectl.spec.model.access import Access, AccessRule, Role
from gatectl.spec.model.authentication import (
    Accepted,
    ApiKeys,
    Authentication,
    Certificate,
    ClaimMapping,
    Claims,
    IdentityToken,
    Jwks,
    Jwt,
    StaticKey,
    TokenRevocation,
)
from gatectl.spec.model.development import Development, DevelopmentKey, Process, Try
from gatectl.spec.model.limits import Adaptive, RateLimit, RateLimiting, ResponseCost
from gatectl.spec.model.listener import Listener, ListenerTls
from gatectl.spec.model.routes import Cors, HeaderMatch, HeaderMatcher, Headers, Match, Route
from gatectl.spec.model.section import Section
from gatectl.spec.model.upstreams import (
    AdaptiveConcurrency,
    AdmissionControl,
    CircuitBreaker,
    HealthCheck,
    Retries,
    RetryOn,
    Upstream,
    UpstreamTls,
)

__all__ = [
    "Abuse",
    "Accepted",
    "Access",
    "AccessRule",
    "Adaptive",
    "AdaptiveConcurrency",
    "AdmissionControl",
    "ApiKeys",
    "Authentication",
    "Certificate",
    "CircuitBreaker",
    "ClaimMapping",
    "Claims",
    "Cors",
    "Development",
    "DevelopmentKey",
    "HeaderMatch",
    "HeaderMatcher",
    "Headers",
    "HealthCheck",
    "IdentityToken",
    "Jwks",
    "Jwt",
    "Listener",
    "ListenerTls",
    "Match",
    "Process",
    "RateLimit",
    "RateLimiting",
    "ResponseCost",
    "Retries",
    "RetryOn",
    "Role",
    "Route",
    "Section",
    "Spec",
    "StaticKey",
    "TokenRevocation",
    "Try",
    "Upstream",
    "UpstreamTls",
]


class Spec(Section):
    """A gateway."""

    version: Literal[1]
    name: Name
    listener: Listener = Listener()
    authentication: Authentication = Authentication()
    abuse: Abuse = Abuse()
    roles: dict[Name, Role] = {}
    upstreams: Annotated[dict[Name, Upstream], Field(min_length=1)]
    cors: Omittable[Cors] = None
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    rate_limits: tuple[RateLimit, ...] = ()
    rate_limiting: RateLimiting = RateLimiting()
    development: Development = Development()
