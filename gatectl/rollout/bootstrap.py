"""bootstrap.json: what Envoy is started with, in the place where it runs."""

from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.render import resources
from gatectl.render.bundle import canonical
from gatectl.rollout.place import write_whole
from gatectl.snapshot import Endpoint

BOOTSTRAP = "bootstrap.json"


def write(state_dir: Path, gateway: str, admin: Endpoint | str, ext_authz: Endpoint, ratelimit: Endpoint) -> Path:
    """Write the file, whole or not at all. ``admin`` is a unix socket's path, or an endpoint."""
    message = resources.bootstrap(gateway, gateway, admin, ext_authz, ratelimit)
    path = state_dir / BOOTSTRAP
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, canonical(message).encode(), 0o644)  # no secret: Envoy may run as another user
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None
    return path


def endpoint(option: str, text: str | None) -> Endpoint:
    """``host:port`` as an endpoint. Raises GatectlError (usage) naming the option."""
    host, _, port = (text or "").rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise GatectlError(f"{option} must be host:port", 64)
    return Endpoint(host.strip("[]"), int(port))
