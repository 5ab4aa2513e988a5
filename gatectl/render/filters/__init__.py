"""HTTP filters: one file each, and their order, which is the order of a request's way."""

from collections.abc import Callable, Sequence
from typing import Any

from gatectl.render.filters import (
    adaptive_concurrency,
    admission_control,
    body_size_limit,
    cors,
    ext_authz,
    local_ratelimit,
    ratelimit,
    request_trailers,
    router,
    without_limiter,
)
from gatectl.snapshot import Snapshot

FILTERS: tuple[Callable[[Snapshot], dict[str, Any] | Sequence[dict[str, Any]] | None], ...] = (
    cors.render,  # first: a preflight carries no credential and is answered here
    local_ratelimit.render,  # behind CORS, so that a browser can read the refusal; before anything that costs more
    body_size_limit.render,  # before anything is asked about a request that is refused anyway
    ext_authz.render,  # who is calling, and may they?
    ratelimit.render,  # after ext_authz: limits count by who is calling
    without_limiter.render,  # knows by now whether the limiter has answered
    admission_control.render,  # sees what becomes of a request, but not what is refused behind it
    adaptive_concurrency.render,  # measures the upstream and nothing else
    request_trailers.render,  # what the headers have lost already
    router.render,  # last: forwards
)
"""A filter that returns None has nothing to do in this gateway; one that works for some upstreams only returns one for
each of them. Nothing after ext_authz may clear the route cache: the request would go where it was not checked for."""


def http_filters(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The filter chain of the gateway."""
    chain: list[dict[str, Any]] = []
    for rendered in (render(snapshot) for render in FILTERS):
        if isinstance(rendered, dict):
            chain.append(rendered)
        elif rendered is not None:
            chain += rendered
    return chain
