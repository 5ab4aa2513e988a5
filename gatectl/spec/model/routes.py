"""Which requests go where."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from gatectl.fields import Duration, HeaderName, HeaderValue, Host, Method, Name, Omittable, Path, PathTemplate, Text
from gatectl.spec.model.access import Access
from gatectl.spec.model.authentication import Accepted
from gatectl.spec.model.section import Section, kind


class HeaderMatcher(Section):
    """One way to match a header's value."""

    exact: Omittable[HeaderValue] = None
    prefix: Omittable[HeaderValue] = None
    present: Omittable[Literal[True]] = None


HeaderMatch = Annotated[
    Annotated[HeaderValue, Tag("text")] | Annotated[HeaderMatcher, Tag("object")], Discriminator(kind)
]


class Match(Section):
    """Which requests a route takes: exactly one of the three paths, and all of the rest."""

    path: Omittable[Path] = None
    path_prefix: Omittable[Path] = None
    path_template: Omittable[PathTemplate] = None
    hosts: tuple[Host, ...] = ()
    methods: tuple[Method, ...] = ()
    headers: dict[HeaderName, HeaderMatch] = {}


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
        "ratelimit",
        "ratelimit-policy",
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
    authentication: Omittable[Accepted] = None
    """Instead of the gateway's ``authentication.any`` or ``.all``."""
    cost: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """What a request counts in limits. 0: it is refused when nothing is left, and takes nothing."""
    timeout: Omittable[Duration] = None
    """Overrides the upstream's."""
    rewrite_prefix: Omittable[Path] = None
    """Replaces what ``path_prefix`` matched."""
    request_headers: Headers = Headers()
    response_headers: Headers = Headers()
    cors: Omittable[Cors] = None
