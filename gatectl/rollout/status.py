"""Who runs, and which revision each part obeys."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gatectl.rollout.envoy_admin import KINDS, EnvoyAdmin
from gatectl.rollout.place import Running, read_running
from gatectl.rollout.services import ServiceAdmin
from gatectl.rollout.store import Store, in_force
from gatectl.rollout.targets import services_of

State = Literal["synced", "stale", "not ready", "unreachable"]


@dataclass(frozen=True)
class Part:
    """One process: ``synced`` obeys the revision in force, ``stale`` another one."""

    part: str
    state: State
    revision: str | None
    address: str
    detail: str | None = None


@dataclass(frozen=True)
class Report:
    """The state of a gateway. ``revision`` is the one in force on disk."""

    state_dir: Path
    gateway: str
    revision: str | None
    parts: tuple[Part, ...]

    @property
    def healthy(self) -> bool:
        """Everything runs, and obeys the revision in force."""
        return bool(self.parts) and all(part.state == "synced" for part in self.parts)

    def data(self) -> dict[str, Any]:
        """For the views."""
        return {
            "gateway": self.gateway,
            "state_dir": str(self.state_dir),
            "revision": self.revision,
            "healthy": self.healthy,
            "parts": [asdict(part) for part in self.parts],
        }


def status(state_dir: Path) -> Report:
    """Ask everybody. Nobody answering is a result, not an error."""
    generation = Store(state_dir).generation("current")
    revision = in_force(generation) if generation else None
    running = read_running(state_dir)
    if running is None:
        return Report(state_dir, "no gateway runs", revision, ())
    parts = (_envoy(running, revision), *(_service(service, revision) for service in services_of(running)))
    return Report(state_dir, running.gateway, revision, parts)


def _envoy(running: Running, revision: str | None) -> Part:
    admin = EnvoyAdmin(running.admin)
    try:
        report, version = admin.report(), admin.version()
    finally:
        admin.close()
    if report is None:
        return Part("envoy", "unreachable", None, running.admin)
    versions = {kind: report.kinds[kind].version for kind in KINDS}
    behind = [f"{kind} {version or 'none'}" for kind, version in versions.items() if version != revision]
    refused = [f"{kind} refused {report.kinds[kind].refused}×" for kind in KINDS if report.kinds[kind].refused]
    detail = ", ".join([f"Envoy {version}", *behind, *refused])
    return Part("envoy", "stale" if behind else "synced", versions["rds"], running.admin, detail)


def _service(service: ServiceAdmin, revision: str | None) -> Part:
    try:
        now = service.status()
    finally:
        service.close()
    if now is None:
        return Part(service.name, "unreachable", None, service.address)
    state: State = "not ready" if not now.ready else "synced" if now.current == revision else "stale"
    rejected = [f"{slot} refused: {reason.splitlines()[0]}" for slot, reason in now.rejected.items()]
    detail = ", ".join([f"{now.workers_up} of {now.workers} workers", *rejected])
    return Part(service.name, state, now.current, service.address, detail)
