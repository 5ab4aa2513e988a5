"""Everybody who must obey a new revision."""

from dataclasses import dataclass
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.place import Running
from gatectl.rollout.services import ServiceAdmin


@dataclass(frozen=True)
class Targets:
    """Envoys, services, and where Envoy's log can be read (its reasons are only there)."""

    nodes: tuple[EnvoyAdmin, ...] = ()
    services: tuple[ServiceAdmin, ...] = ()
    envoy_log: Path | None = None


def services_of(running: Running) -> tuple[ServiceAdmin, ...]:
    """Clients of both services of a running gateway."""
    return (
        ServiceAdmin("ext_authz", running.ext_authz.http),
        ServiceAdmin("ratelimit_svc", running.ratelimit_svc.http),
    )


def targets_of(state_dir: Path, running: Running | None, gateway: str, *, wait: bool) -> Targets:
    """The parts of the running ``gateway``; nobody when not waiting.

    Raises GatectlError when there is nobody to wait for, or when another gateway runs there: its keys and counters
    are kept under its name, and would be gone.
    """
    if running is not None and running.gateway != gateway:
        hint = "give the spec that name, or another --state-dir"
        raise GatectlError(f'"{running.gateway}" runs in {state_dir}, and this spec is "{gateway}": {hint}')
    if not wait:
        return Targets()
    if running is None:
        hint = "`gatectl up` starts one; --no-wait only writes the files"
        raise GatectlError(f"no gateway runs in {state_dir}: {hint}", 5)
    return Targets((EnvoyAdmin(running.admin),), services_of(running), state_dir / "logs" / "envoy.log")
