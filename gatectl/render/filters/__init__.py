"""HTTP filters: one file each, and their order, which is the order of a request's way."""

from collections.abc import Callable
from typing import Any

from gatectl.render.filters import body_size_limit, cors, ext_authz, local_ratelimit, ratelimit, router
from gatectl.snapshot import Snapshot

FILTERS: tuple[Callable[[Snapshot], dict[str, Any] | None], ...] = (
    cors.render,  # first: a preflight carries no credential and is answered here
    local_ratelimit.render,  # behind CORS, so that a browser can read the refusal; before anything that costs more
    body_size_limit.render,  # before anything is asked about a request that is refused anyway
    ext_authz.render,  # who is calling, and may they?
    ratelimit.render,  # after ext_authz: limits count by who is calling
    router.render,  # last: forwards
)
"""A filter that returns None has nothing to do in this gateway. Nothing after ext_authz may clear the route cache:
the request would go where it was not checked for."""


def http_filters(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The filter chain of the gateway."""
    return [message for message in (render(snapshot) for render in FILTERS) if message is not None]
