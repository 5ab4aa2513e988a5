"""TLS to an upstream that others describe: always verified, whatever they did."""

from collections.abc import Sequence
from typing import Any

from gatectl.fields import is_address


def tls_to(endpoints: Sequence[str]) -> dict[str, Any]:
    """``tls`` for endpoints (``host:port``): certificates must be for their hosts, which is said where one is an
    address.
    """
    hosts = [endpoint.rpartition(":")[0].strip("[]") for endpoint in endpoints]
    if not any(is_address(host) for host in hosts):
        return {}
    named = (host for host in hosts if is_address(host) or (host[0].isalnum() and host[-1].isalnum()))
    return {"san": list(dict.fromkeys(named))}
