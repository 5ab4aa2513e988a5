"""Switch, and wait until everybody obeys, or know who does not and why."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.rollout.envoy_admin import KINDS, Report
from gatectl.rollout.stages import Stage
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Node, Targets

POLL_SECONDS = 0.02
REJECTED, NOT_CONVERGED = 4, 5
"""Exit codes."""
_REFUSAL = re.compile(r"config update (?:rejected|failure): (.*)")


@dataclass(frozen=True)
class Event:
    """Something that happened on the way: a step of the whole rollout, or ``target`` taking over one ``part``."""

    message: str
    target: str | None = None
    part: str | None = None
    """``policy``, ``cds``, ``lds``, ``rds``."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.target}: {self.message}" if self.target else self.message


OnEvent = Callable[[Event], None]


class EnvoyRejectionError(GatectlError):
    """An Envoy refuses a file. ``words`` are its own, None when they are only in a log that is not here."""

    def __init__(self, node: Node, kinds: Sequence[str], words: str | None) -> None:
        self.node, self.kinds, self.words = node, tuple(kinds), words
        super().__init__(f"{self.who}: {words or 'see its log for the reason'}", REJECTED)

    @property
    def who(self) -> str:
        """Who rejects what, without the reason."""
        return f"Envoy at {self.node.admin.address} rejects {', '.join(self.kinds)}"


def await_services(revision: str, targets: Targets, timeout: float, on_event: OnEvent, *, loaded: bool) -> None:
    """Until every service has loaded the revision (``loaded``), or has it as its current one.

    ``timeout`` in seconds. Raises GatectlError: 4 when one refuses the policy, 5 when one does not answer in time.
    """
    deadline = time.monotonic() + timeout
    waiting = list(targets.services)
    while waiting:
        for service in tuple(waiting):
            status = service.status()
            if status is not None and (revision in status.revisions if loaded else status.current == revision):
                waiting.remove(service)
                on_event(Event(f"{'loaded' if loaded else 'obeys'} {revision}", service.name, "policy"))
            elif status is not None and status.rejected.get("next"):
                raise GatectlError(f"{service.name} refuses the policy: {status.rejected['next']}", REJECTED)
            elif time.monotonic() > deadline:
                state = "does not answer" if status is None else "did not load the policy"
                raise GatectlError(f"{service.name} at {service.address} {state} within {timeout:g} s", NOT_CONVERGED)
        if waiting:
            time.sleep(POLL_SECONDS)


def switch(
    stage: Stage, store: Store, slots: Sequence[str], nodes: Sequence[Node], timeout: float, on_event: OnEvent
) -> None:
    """Point the slots to a stage and wait for the Envoys that see it through them.

    ``timeout`` in seconds. Raises EnvoyRejectionError, or GatectlError (5) when one stays silent.
    """
    reports = {node: _report(node, timeout) for node in nodes}
    sizes = {node: node.log.stat().st_size if node.log and node.log.exists() else 0 for node in nodes}
    arrived: dict[Node, set[str]] = {node: set() for node in nodes}
    on_event(Event(f"switching to {stage.name}"))
    for slot in slots:
        store.switch(slot, stage.name)
    deadline = time.monotonic() + timeout
    while reports:
        for node, before in tuple(reports.items()):
            report = node.admin.report()
            if report is None:
                continue
            if report.uptime_seconds < before.uptime_seconds:  # it was restarted meanwhile: its counters began anew
                reports[node] = report
                continue
            refused = report.refused_since(before) or _unusable(report, before, stage)
            if refused:
                raise EnvoyRejectionError(node, refused, _words(node, sizes[node], refused))
            for kind in KINDS:
                if report.kinds[kind].version == stage.versions[kind] and kind not in arrived[node]:
                    arrived[node].add(kind)
                    on_event(Event(f"{kind} {stage.versions[kind]}", node.name, kind))
            if has_arrived(report, stage):
                del reports[node]
        if reports and time.monotonic() > deadline:
            late = ", ".join(node.admin.address for node in reports)
            raise GatectlError(f"Envoy at {late} did not take over {stage.name} within {timeout:g} s", NOT_CONVERGED)
        if reports:
            time.sleep(POLL_SECONDS)


def has_arrived(report: Report, stage: Stage) -> bool:
    """A cluster that still warms up is not there yet for a route that names it, nor is a secret without its files."""
    return (
        report.warming_clusters == 0
        and all(report.kinds[kind].version == version for kind, version in stage.versions.items())
        and all(name in report.secrets and report.secrets[name].version for name in stage.secrets)
    )


def _unusable(report: Report, before: Report, stage: Stage) -> list[str]:
    """Secrets whose files are missing or broken. Envoy takes a listener without its certificate, and serves nobody."""
    known = {name: one.refused for name, one in before.secrets.items()}
    unread = [name for name in report.unread if name in stage.secrets]
    return [name for name in unread if report.secrets[name].refused > known.get(name, 0)]


def settle(revision: str, nodes: Sequence[Node]) -> None:
    """Give the nodes a moment to be back, so that the next command does not find them on their way."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        reports = [node.admin.report() for node in nodes]
        if all(report is None or report.kinds["rds"].version == revision for report in reports):
            return
        time.sleep(POLL_SECONDS)


def _report(node: Node, timeout: float) -> Report:
    deadline = time.monotonic() + timeout
    while (report := node.admin.report()) is None:
        if time.monotonic() > deadline:
            raise GatectlError(f"Envoy at {node.admin.address} cannot be reached", NOT_CONVERGED)
        time.sleep(POLL_SECONDS)
    return report


def _words(node: Node, offset: int, kinds: Sequence[str]) -> str | None:
    """Envoy's own words: in its log, and for listeners also in what its admin shows."""
    reasons = logged(node.log, offset) if node.log is not None and node.log.exists() else []
    if not reasons and "lds" in kinds:
        reasons = node.admin.listener_errors()
    return " ".join(reasons[-1].split()) if reasons else None


def logged(log: Path, offset: int) -> list[str]:
    """Why an Envoy refused files, in its own words, from a place in its log on; the oldest first. Raises OSError."""
    with log.open("rb") as file:
        file.seek(offset)
        return _REFUSAL.findall(file.read(1 << 20).decode(errors="replace"))
