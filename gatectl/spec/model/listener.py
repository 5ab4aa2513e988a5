"""Where clients connect, and how they and the gateway prove who they are while they do."""

from typing import Annotated, Literal

from pydantic import Field

from gatectl.fields import Address, Duration, Omittable, Port, Size, Text
from gatectl.spec.model.section import Section

TlsVersion = Literal["1.2", "1.3"]


class ListenerTls(Section):
    """TLS at the listener. Either ``certificate`` and ``key``, or ``local``; files are PEM, as Envoy sees them."""

    certificate: Omittable[Text] = None
    """The server's certificate, and behind it those that lead to a root."""
    key: Omittable[Text] = None
    local: Omittable[Literal[True]] = None
    """A development certificate, and the authority that signed it, in the state directory."""
    min_version: TlsVersion = "1.2"
    client_ca: Omittable[Text] = None
    """Who signs the certificates of clients. Without it none is asked for."""
    client_crl: Omittable[Text] = None
    """Which of them have been revoked (RFC 5280, section 5)."""
    client_certificates: Omittable[Literal["optional", "required"]] = None
    """What ``client_ca`` means for clients that have none; ``required`` when nothing is said."""
    http2: bool = True
    http3: bool = False


class Listener(Section):
    """Where clients connect, and what is refused before anything looks at a request."""

    address: Address = "0.0.0.0"  # noqa: S104 - a gateway is there to be reached
    port: Port = 8080
    tls: Omittable[ListenerTls] = None
    max_request_body: Size = 1 << 20
    max_request_headers: Annotated[Size, Field(ge=1024, le=8192 << 10)] = 32 << 10
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    idle_timeout: Duration = 300_000
    request_headers_timeout: Duration = 10_000
    request_timeout: Duration = 60_000
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies in front append to X-Forwarded-For; 0 believes none of it."""

    @property
    def scheme(self) -> Literal["http", "https"]:
        """How a URL of the gateway begins."""
        return "http" if self.tls is None else "https"
