"""Something to bring into force, with its plan: a spec, a spec that was planned before, or an old generation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatectl.changes.resources import contents
from gatectl.diagnostics import GatectlError, SpecError
from gatectl.render.bundle import Bundle
from gatectl.rollout import envoy_check, records
from gatectl.rollout import plan as plans
from gatectl.rollout.apply import Order, Receipt, apply
from gatectl.rollout.blame import blame
from gatectl.rollout.candidate import Candidate, prove, read
from gatectl.rollout.converge import OnEvent
from gatectl.rollout.history import Action
from gatectl.rollout.place import Running, read_running
from gatectl.rollout.plan import Plan
from gatectl.rollout.store import PREVIOUS, Store
from gatectl.rollout.targets import Targets, refuse_strangers, targets_of
from gatectl.spec.record import Record

OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where a rollout goes: a state directory, what the user says about Envoys and services, and how to prove."""

    state_dir: Path
    admins: Sequence[str] = ()
    services: Sequence[str] = ()
    envoy: envoy_check.Mode = "auto"
    wait: bool = True


@dataclass(frozen=True)
class Proposal:
    """A bundle that was proven, and what bringing it into force would change."""

    action: Action
    bundle: Bundle
    candidate: Candidate | None
    """What ``record`` was made of; None for an old generation."""
    record: Record | None
    store: Store
    targets: Targets
    plan: Plan

    def refuse_nobody(self) -> None:
        """Raise GatectlError (5) when there is no Envoy to wait for."""
        if not self.targets.nodes:
            hint = "`gatectl up` starts one; --no-wait only writes the files"
            raise GatectlError(f"no gateway runs in {self.store.state_dir}: {hint}", 5)

    def carry_out(self, timeout: float, message: str | None, on_event: OnEvent) -> Receipt:
        """Bring it into force if nothing has moved since the plan. ``timeout`` (seconds) bounds each wait.

        Raises GatectlError.
        """
        self.store.prepare()
        record, directory = self.record, self.store.state_dir
        if records.prepare_key(directory) and self.candidate is not None and record is not None:
            record = records.record_of(self.candidate.spec, self.candidate.tree, record.files, directory)
        order = Order(self.action, message=message, record=record, base=self.plan.base, planned=True)
        return apply(self.bundle, self.store, self.targets, timeout, on_event, order)


def propose(files: Sequence[str], place: Place, on_progress: OnProgress) -> Proposal:
    """Load, render, prove and plan a spec. Changes nothing. Raises SpecError, GatectlError."""
    running = read_running(place.state_dir)
    candidate = read(files, running.port if running else None)
    store = Store(place.state_dir)
    if not store.holds(candidate.bundle.revision):  # what is in force has been proven
        on_progress("checking what it renders to")
        candidate = prove(candidate, place.envoy)
    record = records.record_of(candidate.spec, candidate.tree, files, place.state_dir)
    return _proposal("apply", candidate.bundle, candidate, record, store, running, place)


def propose_again(path: Path, files: Sequence[str] | None, place: Place, on_progress: OnProgress) -> Proposal:
    """What a saved plan says, from its own files or from ``files``. Raises GatectlError when it is stale."""
    saved = plans.read_plan(path)
    proposal = propose(files or saved.files, place, on_progress)
    plans.refuse_stale(saved, proposal.plan)
    return proposal


def propose_rollback(revision: str | None, place: Place, on_progress: OnProgress) -> Proposal:
    """An old generation (by its first digits; None: the previous one), proven again. Raises GatectlError."""
    running, store = read_running(place.state_dir), Store(place.state_dir)
    name = store.resolve(revision, PREVIOUS)
    record = records.read_record(place.state_dir, name)
    documents = store.documents(name)
    manifest = store.manifest(name) or {}
    bundle = Bundle(str(manifest.get("gateway", "")), name, documents)
    _refuse_foreign(bundle)
    on_progress(f"checking generation {name}")
    diagnostics, _ = envoy_check.check(bundle, place.envoy)
    if diagnostics:
        raise SpecError([blame(diagnostics[0].message, bundle, record)])
    return _proposal("rollback", bundle, None, record, store, running, place)


def _refuse_foreign(bundle: Bundle) -> None:
    """Raise GatectlError for a generation of another version, whose policies the services would refuse."""
    try:
        contents(bundle)
    except ValueError:
        hint = f"`gatectl dump {bundle.revision}` shows its spec, to be applied anew"
        raise GatectlError(
            f"generation {bundle.revision} was written by another version of gatectl, and the services of this one"
            f" would refuse its policies: {hint}"
        ) from None


def _proposal(
    action: Action,
    bundle: Bundle,
    candidate: Candidate | None,
    record: Record | None,
    store: Store,
    running: Running | None,
    place: Place,
) -> Proposal:
    """Raises GatectlError when another gateway runs there: its keys and counters are kept under its name, and would be
    gone.
    """
    if running is not None and running.gateway != bundle.gateway:
        known = records.read_record(place.state_dir, store.revision())
        own, other = plans.name_of(record), plans.name_of(known)
        hint = "give the spec that name, or another --state-dir"
        raise GatectlError(f'"{other}" runs in {place.state_dir}, and this spec is "{own}": {hint}')
    targets = Targets()
    if place.wait:
        targets = targets_of(place.state_dir, running, admins=place.admins, services=place.services)
        refuse_strangers(targets, store)
    return Proposal(action, bundle, candidate, record, store, targets, plans.make(bundle, record, store, targets))
