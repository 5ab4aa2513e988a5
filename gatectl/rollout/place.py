"""The state directory: where everything of one gateway on one machine lies, and who is running on it.

::

    <state>/generations/<revision>/…   every applied bundle
    <state>/current, next              symlinks into generations
    <state>/bootstrap.json             what Envoy is started with
    <state>/running.json               who runs here: written by `up`, read by every other command (0600)
    <state>/issuers/                   key pairs of local issuers (0600)
    <state>/identity-key.pem           what signs x-gate-identity (0600)
    <state>/logs/                      one file for each process that `up` started
"""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gatectl.diagnostics import GatectlError

RUNNING = "running.json"


class Service(BaseModel):
    """Addresses (``host:port``) of ext_authz or ratelimit_svc."""

    model_config = ConfigDict(frozen=True)

    grpc: str
    http: str


class Running(BaseModel):
    """A gateway that `up` started. ``redis_url`` may hold a password: the file is readable by its owner only."""

    model_config = ConfigDict(frozen=True)

    gateway: str
    supervisor_pid: int
    supervisor_started: str
    """Start time of the process as the kernel tells it: a pid alone may belong to somebody else by now."""
    url: str
    port: int | None = None
    """Set by ``up --port``: overrides the spec's until the gateway goes down."""
    admin: str
    """Envoy's admin: the path of a unix socket, or an ``http://`` URL."""
    ext_authz: Service
    ratelimit_svc: Service
    redis_url: str


def read_running(state_dir: Path) -> Running | None:
    """Who runs in ``state_dir``; None when nobody does. Raises GatectlError when the file makes no sense."""
    path = state_dir / RUNNING
    try:
        return Running.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise GatectlError(f"{path} cannot be read; `gatectl down --state-dir {state_dir}` clears it") from None


def write_running(state_dir: Path, running: Running) -> None:
    """Say who runs in ``state_dir``, for the owner's eyes only."""
    write_whole(state_dir / RUNNING, running.model_dump_json(indent=1).encode())


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file whole or not at all; by default only its owner may read it. Raises OSError."""
    fresh = path.with_name(f".{path.name}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
