"""Bring a bundle into force, prove that everybody obeys it, or put back what was there.

Before anything is done, a journal says what is about to be; when a rollout is killed, the next one reads it and clears
up. What is in force is one symlink at every moment, so it is the old generation or the new one.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout import history, journal, records
from gatectl.rollout.acts import record_act
from gatectl.rollout.blame import blame, refusal_of
from gatectl.rollout.converge import (
    NOT_CONVERGED,
    REJECTED,
    EnvoyRejectionError,
    Event,
    OnEvent,
    await_services,
    has_arrived,
    settle,
    switch,
)
from gatectl.rollout.history import Action, Entry, Outcome
from gatectl.rollout.journal import Journal
from gatectl.rollout.stages import stages
from gatectl.rollout.store import CURRENT, NEXT, PREVIOUS, Store, in_force
from gatectl.rollout.targets import Targets
from gatectl.spec.record import Record


@dataclass(frozen=True)
class Order:
    """What a rollout is done for, and what it may rely on. ``base`` is the revision that must still be in force, as
    the plan found it; ``planned`` False asks for nothing.
    """

    action: Action = "apply"
    by: str = field(default_factory=history.whoever)
    message: str | None = None
    record: Record | None = None
    base: str | None = None
    planned: bool = False


@dataclass(frozen=True)
class Receipt:
    """What happened. ``proven`` names everybody who reported the revision."""

    revision: str
    previous: str | None
    changed: bool
    proven: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)


def apply(
    bundle: Bundle, store: Store, targets: Targets, timeout: float, on_event: OnEvent, order: Order | None = None
) -> Receipt:
    """Write the generation, let the services load it, switch wave by wave, and wait for everybody.

    ``timeout`` (seconds) bounds each wait. Raises GatectlError with exit code 4 when a target refused, 5 when one did
    not answer in time; then, and on any other failure, what was in force before is in force again.
    """
    started, order = time.monotonic(), order or Order()
    store.prepare()
    with store.lock():
        recover(store, on_event)
        before = store.generation(CURRENT)
        previous = in_force(before) if before else None
        if order.planned and previous != order.base:
            moved = f"the plan was made for {order.base or 'nothing'}, and {previous or 'nothing'} is in force by now"
            raise GatectlError(f"{moved}: plan again")
        if store.holds(bundle.revision):
            if order.record is not None and records.read_record(store.state_dir, bundle.revision) is None:
                with contextlib.suppress(OSError):  # what is known of the spec is worth having, and no more
                    records.write_record(store.state_dir, bundle.revision, order.record)
            _tell_again(bundle, store, targets, timeout, on_event)
            return Receipt(bundle.revision, before, changed=False, proven=targets.everybody)
        old = store.bundle(before, bundle.gateway)
        store.write(bundle)
        with (
            _on_the_record(bundle, store, before, order, started, on_event) as note,
            _restored_on_failure(store, before, targets, on_event),
        ):
            on_event(Event(_about_services(bundle.revision, targets)))
            store.switch(NEXT, bundle.revision)
            await_services(bundle.revision, targets, timeout, on_event, loaded=True)
            for wave in targets.waves:
                slots = [*dict.fromkeys(node.slot for node in wave)]
                if wave is targets.waves[-1] and CURRENT not in slots:
                    slots.append(CURRENT)
                for stage in stages(old, bundle):
                    store.write(stage.bundle, stage.name)
                    switch(stage, store, slots, wave, timeout, on_event)
            await_services(bundle.revision, targets, timeout, on_event, loaded=False)
        note("applied", targets.everybody)
        store.prune()
    seconds = time.monotonic() - started
    return Receipt(bundle.revision, previous, changed=True, proven=targets.everybody, seconds=seconds)


def _about_services(revision: str, targets: Targets) -> str:
    if targets.services or not targets.nodes:
        return f"services load revision {revision}"
    return f"no service is named, so nobody knows whether they have loaded {revision}: --service names one"


def recover(store: Store, on_event: OnEvent) -> None:
    """Clear up behind a rollout that was killed; the lock is held. What is in force stays in force."""
    killed = journal.unfinished(store.state_dir)
    current = store.generation(CURRENT)
    for slot in store.node_slots():
        if current is not None and store.generation(slot) != current:
            store.switch(slot, current)
    if killed is None:
        return
    arrived = current is not None and in_force(current) == killed.revision
    on_event(Event(f"an earlier {killed.action} of {killed.revision} was interrupted: {_told(store)}"))
    if arrived and killed.previous is not None:
        store.switch(PREVIOUS, in_force(killed.previous))
    store.switch(NEXT, None)
    last = history.read(store.state_dir)[-1:]
    if not last or last[0].revision != killed.revision or last[0].at < killed.began_at:
        _remember(store, killed, "applied" if arrived else "interrupted", on_event)
    journal.end(store.state_dir)
    store.prune()


def _told(store: Store) -> str:
    return f"{store.revision() or 'nothing'} is in force"


def _tell_again(bundle: Bundle, store: Store, targets: Targets, timeout: float, on_event: OnEvent) -> None:
    """Whoever does not obey what is in force is told by the same rename once more: it may have missed the first."""
    stage = stages(None, bundle)[-1]
    reports = [node.admin.report() for node in targets.nodes]
    statuses = [service.status() for service in targets.services]
    if all(report is not None and has_arrived(report, stage) for report in reports) and all(
        status is not None and status.current == bundle.revision for status in statuses
    ):
        return
    switch(stage, store, [CURRENT, *store.node_slots()], targets.nodes, timeout, on_event)
    await_services(bundle.revision, targets, timeout, on_event, loaded=False)


@contextmanager
def _on_the_record(
    bundle: Bundle, store: Store, before: str | None, order: Order, started: float, on_event: OnEvent
) -> Iterator[Callable[[Outcome, tuple[str, ...]], None]]:
    """The journal before, the history after. A rejection leaves with the place in the spec that it is about."""
    entry = Journal(
        action=order.action,
        revision=bundle.revision,
        previous=before,
        by=order.by,
        began_at=history.now(),
        files=order.record.files if order.record else (),
        message=order.message,
    )

    def note(outcome: Outcome, nodes: tuple[str, ...] = ()) -> None:
        if outcome != "applied" and store.generation(CURRENT) != before:
            return  # it could not be put back: the journal stays, for the next command to see
        was = in_force(before) if before else None
        if outcome != "applied" or was != bundle.revision:  # else a killed rollout was brought to its end
            if outcome == "applied" and was is not None:
                store.switch(PREVIOUS, was)
            _remember(store, entry, outcome, on_event, time.monotonic() - started, nodes)
        store.switch(NEXT, None)
        journal.end(store.state_dir)

    try:
        if order.record is not None:
            records.write_record(store.state_dir, bundle.revision, order.record)
        journal.begin(store.state_dir, entry)
    except OSError as error:
        raise GatectlError(f"{store.state_dir} cannot be written: {error.strerror}; nothing was changed") from None
    try:
        yield note
    except EnvoyRejectionError as rejection:
        note("rejected")
        words = rejection.words or refusal_of(bundle)  # a log that is not here: an Envoy that is here may say the same
        if words is None:
            raise
        found = blame(words, bundle, order.record, rejection.kinds)
        where = f"{found.location}: " if found.location else ""
        raise GatectlError(f"{where}{rejection.who}: {found.message}", REJECTED, [found]) from None
    except GatectlError as error:
        outcomes: dict[int, Outcome] = {REJECTED: "rejected", NOT_CONVERGED: "not converged"}
        note(outcomes.get(error.exit_code, "failed"))
        raise
    except BaseException:
        note("interrupted")
        raise


def _remember(
    store: Store,
    journal: Journal,
    outcome: Outcome,
    on_event: OnEvent,
    seconds: float | None = None,
    nodes: tuple[str, ...] = (),
) -> None:
    """A line in the history and in the audit trail. That it cannot be written must not undo what has been done."""
    entry = Entry(
        at=history.now(),
        by=journal.by,
        action=journal.action,
        revision=journal.revision,
        previous=in_force(journal.previous) if journal.previous else None,
        outcome=outcome,
        files=journal.files,
        message=journal.message,
        seconds=round(seconds, 2) if seconds is not None else None,
        nodes=nodes,
    )
    with contextlib.suppress(OSError):
        history.append(store.state_dir, entry)
    told = entry.model_dump(exclude={"at", "action", "seconds"})
    record_act(store.state_dir, entry.action, lambda message: on_event(Event(message)), **told)


@contextmanager
def _restored_on_failure(store: Store, before: str | None, targets: Targets, on_event: OnEvent) -> Iterator[None]:
    """Any failure, Ctrl-C included, puts the old generation back before it goes on its way."""
    slots = [CURRENT, *store.node_slots()]
    try:
        yield
    except BaseException:
        moved = [slot for slot in slots if store.generation(slot) != before]
        if moved:
            on_event(Event(f"putting {in_force(before) if before else 'nothing'} back"))
            for slot in moved:
                store.switch(slot, before)
            if before:
                settle(in_force(before), targets.nodes)
        raise
