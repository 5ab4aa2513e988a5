"""Bring a bundle into force, prove that everybody obeys it, or put back what was there."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout.envoy_admin import EnvoyAdmin, Report
from gatectl.rollout.stages import Stage, in_force, stages
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Targets

POLL_SECONDS = 0.02
REJECTED, NOT_CONVERGED = 4, 5
"""Exit codes."""
_REFUSAL = re.compile(r"config update (?:rejected|failure): (.*)")
OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class Receipt:
    """What happened. ``proven`` names everybody who reported the revision."""

    revision: str
    previous: str | None
    changed: bool
    proven: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)


def apply(bundle: Bundle, store: Store, targets: Targets, timeout: float, on_progress: OnProgress) -> Receipt:
    """Write the generation, let the services load it, switch, and wait for everybody.

    ``timeout`` (seconds) bounds each wait. Raises GatectlError with exit code 4 when a target refused, 5 when one did
    not answer in time; then, and on any other failure, what was in force before is in force again.
    """
    started = time.monotonic()
    store.prepare()
    with store.lock():
        before = store.generation("current")
        if store.holds(bundle.revision):
            if store.generation("next"):  # left by an apply that was killed when it was all but done
                store.switch("next", None)
                store.prune()
            _tell_again(bundle, store, targets, timeout, on_progress)
            return Receipt(bundle.revision, before, changed=False, proven=_everybody(targets))
        old = _bundle(store, before, bundle.gateway)
        store.write(bundle)
        with _restored_on_failure(store, before, targets, on_progress):
            on_progress(f"services load revision {bundle.revision}")
            store.switch("next", bundle.revision)
            _await_services(bundle.revision, targets, timeout, loaded=True)
            for stage in stages(old, bundle):
                store.write(stage.bundle, stage.name)
                _switch(stage, store, targets, timeout, on_progress)
            _await_services(bundle.revision, targets, timeout, loaded=False)
        store.switch("next", None)
        store.prune()
    previous, seconds = in_force(before) if before else None, time.monotonic() - started
    return Receipt(bundle.revision, previous, changed=True, proven=_everybody(targets), seconds=seconds)


def _bundle(store: Store, generation: str | None, gateway: str) -> Bundle | None:
    """The bundle in force; None when there is none that could be read."""
    if generation is None or not store.intact(generation):
        return None
    return Bundle(gateway, in_force(generation), store.documents(generation))


def _everybody(targets: Targets) -> tuple[str, ...]:
    return (*(service.address for service in targets.services), *(node.address for node in targets.nodes))


def _tell_again(bundle: Bundle, store: Store, targets: Targets, timeout: float, on_progress: OnProgress) -> None:
    """Whoever does not obey what is in force is told by the same rename once more: it may have missed the first."""
    stage = stages(None, bundle)[-1]
    reports = [node.report() for node in targets.nodes]
    statuses = [service.status() for service in targets.services]
    if all(report is not None and _has_arrived(report, stage) for report in reports) and all(
        status is not None and status.current == bundle.revision for status in statuses
    ):
        return
    _switch(stage, store, targets, timeout, on_progress)
    _await_services(bundle.revision, targets, timeout, loaded=False)


@contextmanager
def _restored_on_failure(store: Store, before: str | None, targets: Targets, on_progress: OnProgress) -> Iterator[None]:
    """Any failure, Ctrl-C included, puts the old generation back before it goes on its way."""
    try:
        yield
    except BaseException:
        if store.generation("current") != before:
            on_progress(f"putting {in_force(before) if before else 'nothing'} back")
            store.switch("current", before)
            if before:
                _settle(in_force(before), targets)
        store.switch("next", None)
        raise


def _settle(revision: str, targets: Targets) -> None:
    """Give the nodes a moment to be back, so that the next command does not find them on their way."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        reports = [node.report() for node in targets.nodes]
        if all(report is None or report.kinds["rds"].version == revision for report in reports):
            return
        time.sleep(POLL_SECONDS)


def _await_services(revision: str, targets: Targets, timeout: float, *, loaded: bool) -> None:
    """Until every service has loaded the revision (``loaded``), or has it as its current one."""
    deadline = time.monotonic() + timeout
    waiting = list(targets.services)
    while waiting:
        for service in tuple(waiting):
            status = service.status()
            if status is not None and (revision in status.revisions if loaded else status.current == revision):
                waiting.remove(service)
            elif status is not None and status.rejected.get("next"):
                raise GatectlError(f"{service.name} refuses the policy: {status.rejected['next']}", REJECTED)
            elif time.monotonic() > deadline:
                state = "does not answer" if status is None else "did not load the policy"
                raise GatectlError(f"{service.name} at {service.address} {state} within {timeout:g} s", NOT_CONVERGED)
        if waiting:
            time.sleep(POLL_SECONDS)


def _switch(stage: Stage, store: Store, targets: Targets, timeout: float, on_progress: OnProgress) -> None:
    """Switch to a stage and wait for every Envoy. Raises GatectlError when one refuses it or stays silent."""
    reports = {node: _report(node, timeout) for node in targets.nodes}
    log_size = targets.envoy_log.stat().st_size if targets.envoy_log and targets.envoy_log.exists() else 0
    on_progress(f"switching to {stage.name}")
    store.switch("current", stage.name)
    deadline = time.monotonic() + timeout
    while reports:
        for node, before in tuple(reports.items()):
            report = node.report()
            if report is None:
                continue
            if report.uptime_seconds < before.uptime_seconds:  # it was restarted meanwhile: its counters began anew
                reports[node] = report
                continue
            refused = report.refused_since(before)
            if refused:
                reason = _reason(targets.envoy_log, log_size)
                raise GatectlError(f"Envoy at {node.address} rejects {', '.join(refused)}: {reason}", REJECTED)
            if _has_arrived(report, stage):
                del reports[node]
        if reports and time.monotonic() > deadline:
            late = ", ".join(node.address for node in reports)
            raise GatectlError(f"Envoy at {late} did not take over {stage.name} within {timeout:g} s", NOT_CONVERGED)
        if reports:
            time.sleep(POLL_SECONDS)


def _report(node: EnvoyAdmin, timeout: float) -> Report:
    deadline = time.monotonic() + timeout
    while (report := node.report()) is None:
        if time.monotonic() > deadline:
            raise GatectlError(f"Envoy at {node.address} cannot be reached", NOT_CONVERGED)
        time.sleep(POLL_SECONDS)
    return report


def _has_arrived(report: Report, stage: Stage) -> bool:
    """A cluster that still warms up is not there yet for a route that names it."""
    return report.warming_clusters == 0 and all(
        report.kinds[kind].version == version for kind, version in stage.versions.items()
    )


def _reason(log: Path | None, offset: int) -> str:
    """Envoy's own words: its log is the only place that has them."""
    if log is None or not log.exists():
        return "see its log for the reason"
    with log.open("rb") as file:
        file.seek(offset)
        reasons = _REFUSAL.findall(file.read(1 << 20).decode(errors="replace"))
    return " ".join(reasons[-1].split()) if reasons else "see its log for the reason"
