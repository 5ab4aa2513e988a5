"""bootstrap.json: what Envoy is started with, in the place where it runs."""

import re
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.render import resources
from gatectl.render.bundle import canonical
from gatectl.rollout.place import write_whole
from gatectl.rollout.store import CURRENT, NODES, Store
from gatectl.snapshot import Endpoint

BOOTSTRAP = "bootstrap.json"
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def write(
    state_dir: Path, gateway: str, node: str | None, admin: Endpoint | str, ext_authz: Endpoint, ratelimit: Endpoint
) -> Path:
    """Write the file, whole or not at all. ``admin`` is a unix socket's path, or an endpoint.

    A ``node`` gets a directory of its own, with its own view of what is in force. Raises GatectlError.
    """
    if node is not None and not _NODE.fullmatch(node):
        raise GatectlError("--node must be letters, digits, dots, dashes and underscores", 64)
    message = resources.bootstrap(gateway, node or gateway, admin, ext_authz, ratelimit)
    directory = state_dir / NODES / node if node else state_dir
    path = directory / BOOTSTRAP
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, canonical(message).encode(), 0o644)  # no secret: Envoy may run as another user
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None
    store = Store(state_dir)
    if node is not None and store.generation(f"{NODES}/{node}/{CURRENT}") is None:
        store.switch(f"{NODES}/{node}/{CURRENT}", store.generation(CURRENT))
    return path


def endpoint(option: str, text: str | None) -> Endpoint:
    """``host:port`` as an endpoint. Raises GatectlError (usage) naming the option."""
    host, _, port = (text or "").rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise GatectlError(f"{option} must be host:port", 64)
    return Endpoint(host.strip("[]"), int(port))
