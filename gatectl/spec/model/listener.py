"""Where clients connect."""

from typing import Annotated

from pydantic import Field

from gatectl.fields import Address, Duration, Port, Size
from gatectl.spec.model.section import Section


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
