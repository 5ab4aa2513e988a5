"""TCP ports: free ones for what `up` starts, and whether the one that clients use is free."""

import contextlib
import errno
import ipaddress
import random
import socket

from gatectl.diagnostics import GatectlError
from gatectl.runtime import process_table

LOW, HIGH = 20_000, 32_767
"""Below the range from which the kernel takes ports of outgoing connections (32768 up, by default): otherwise such a
connection could sit on the port of a service that is being restarted."""


def free_ports(count: int) -> list[int]:
    """So many different ports that are free on 127.0.0.1. Raises GatectlError when there are not enough."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(LOW, HIGH + 1), HIGH + 1 - LOW):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise GatectlError(f"fewer than {count} ports from {LOW} to {HIGH} are free on 127.0.0.1")


def claim(address: str, port: int, advice: str) -> None:
    """Make sure that ``address:port`` (an IP address) can be listened on.

    Raises GatectlError that names the port, who holds it as far as the kernel tells, and ``advice``.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # Connections of a gateway that has just gone down must not count. And no SO_REUSEPORT: Envoy listens with it,
        # and would share the port with whoever does the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            place = f"port {port} on {address}"
            if error.errno == errno.EADDRINUSE:
                holder = process_table.listener(port) or "another process"
                raise GatectlError(f"{place} is taken by {holder}: {advice}") from None
            if error.errno == errno.EACCES:
                raise GatectlError(f"{place} is for privileged users only: choose a port above 1023") from None
            raise GatectlError(f"{place} cannot be listened on: {error.strerror or error}") from None


def reachable(address: str) -> str:
    """Where this machine reaches a listener, as the host of a URL: a wildcard address is no destination."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)  # noqa: S104 - compared


def loopback(host: str | None) -> str | None:
    """The address, if it is one of this very machine."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return host if ipaddress.ip_address(host or "").is_loopback else None
    except ValueError:
        return None


def accepts(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
