"""What an apply would do, on three levels: the spec's objects, what they render to, and what runs differently already.

A plan is bound to what was in force when it was made and to the digest of what it would bring into force. It holds no
rendered file and no secret, so it can be kept, shown and approved; who applies it renders the spec again and must get
the very same revision.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gatectl.changes import effects, objects, resources
from gatectl.changes.effects import Effect
from gatectl.changes.objects import Change
from gatectl.changes.resources import Contents, Rendered, contents, rendered
from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout import history, journal
from gatectl.rollout.drift import Drift, drift
from gatectl.rollout.place import write_whole
from gatectl.rollout.records import read_record
from gatectl.rollout.store import CURRENT, Store, in_force
from gatectl.rollout.targets import Targets
from gatectl.spec.record import Record

UNKNOWN = "it is not known which spec the gateway runs: only what is rendered can be compared"
"""What people are told when ``Plan.changes`` is None."""
FEW = 3
"""Fewer deletions than this are no mass."""


class Plan(BaseModel):
    """Everything an apply would change. ``base`` is the revision in force, None when nothing is."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    gateway: str
    """Its name as the spec writes it."""
    base: str | None
    revision: str
    files: tuple[str, ...]
    made_at: str
    by: str
    changes: tuple[Change, ...] | None
    """None when it is not known what spec the gateway runs."""
    resources: tuple[Change, ...]
    """None at all when what is in force was written by another version and cannot be compared: ``effects`` say so."""
    deletes: dict[str, tuple[int, int]]
    """Of routes, upstreams and rate limits: how many go, and of how many."""
    effects: tuple[Effect, ...]
    drift: tuple[Drift, ...]
    interrupted: str | None = None
    """The revision of a rollout that was killed."""

    @property
    def changed(self) -> bool:
        """Would another revision come into force?"""
        return self.base != self.revision

    @property
    def summary(self) -> dict[str, int]:
        """How many of the spec's objects are added, changed and deleted."""
        actions = [change.action for change in self.changes or ()]
        return {"add": actions.count("add"), "change": actions.count("change"), "delete": actions.count("delete")}

    def write(self, path: Path) -> None:
        """Keep it in a file. Raises GatectlError when that cannot be written."""
        try:
            write_whole(path, (self.model_dump_json(indent=1) + "\n").encode())
        except OSError as error:
            raise GatectlError(f"{path} cannot be written: {error.strerror}") from None

    def data(self) -> dict[str, Any]:
        """For the views and for the file."""
        return {**self.model_dump(mode="json"), "changed": self.changed, "summary": self.summary}


def make(bundle: Bundle, record: Record | None, store: Store, targets: Targets) -> Plan:
    """Compare a bundle with what is in force in ``store`` and with what runs. Changes nothing."""
    generation = store.generation(CURRENT)
    base = in_force(generation) if generation else None
    known = read_record(store.state_dir, base)
    running = store.bundle(generation, bundle.gateway)
    before, after = _rendered(running) if running else None, contents(bundle)
    nameless = before is not None and resources.names_hidden(known, record)
    differs = base != bundle.revision
    return Plan(
        gateway=name_of(record),
        base=base,
        revision=bundle.revision,
        files=record.files if record else (),
        made_at=history.now(),
        by=history.whoever(),
        changes=_changes(base, known, record) if differs else (),
        resources=resources.diff(before, after, known, record) if differs and (before or not running) else (),
        deletes=_deletes(before, after) if before else {},
        effects=_effects(running, after, nameless=nameless) if running and differs else (),
        drift=drift(store, targets),
        interrupted=journal.interrupted(store),
    )


def name_of(record: Record | None) -> str:
    """The gateway's name as it may be shown: without a record, nobody knows where it came from."""
    return str(record.effective["name"]) if record else resources.HIDDEN


def refuse_mass_deletion(plan: Plan) -> None:
    """Raise GatectlError when more than half of something goes: a wrong file is likelier than a wish."""
    for kind, (gone, count) in plan.deletes.items():
        if gone >= FEW and gone > count / 2:
            raise GatectlError(f"this deletes {gone} of {count} {kind}s; if that is meant, pass --allow-deletes")


def read_plan(path: Path) -> Plan:
    """A plan that was written to a file. Raises GatectlError when it cannot be read (1) or is none (65)."""
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GatectlError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError:
        plan = None
    if plan is None or not plan.files:  # without files there is no spec to render again
        raise GatectlError(f"{path} is not a plan of this gatectl: `gatectl plan --out {path}` makes one", 65)
    return plan


def refuse_stale(plan: Plan, now: Plan) -> None:
    """Raise GatectlError unless the spec still renders to what was planned, over what was in force then; what is in
    force already is not stale. ``now`` is the plan that would be made now.
    """
    if plan.revision != now.revision:
        moved = f"the plan is for revision {plan.revision}, and the spec renders to {now.revision} by now"
        raise GatectlError(f"{moved}: plan again")
    if now.base not in {plan.base, plan.revision}:
        moved = f"the plan was made over {plan.base or 'nothing'}, and {now.base or 'nothing'} is in force by now"
        raise GatectlError(f"{moved}: plan again")


def _changes(base: str | None, known: Record | None, record: Record | None) -> tuple[Change, ...] | None:
    if record is None or (known is None and base is not None):
        return None
    return objects.diff(known, record)


def _rendered(running: Bundle) -> Rendered | None:
    """What is in force; None when it is so unlike what this version writes that there is nothing to compare."""
    try:
        return rendered(running)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _effects(running: Bundle, after: Contents, *, nameless: bool) -> tuple[Effect, ...]:
    try:
        before = contents(running)
    except ValueError:
        return (effects.UNTOLD,)
    return effects.effects(before, after, nameless=nameless)


def _deletes(before: Rendered, after: Rendered) -> dict[str, tuple[int, int]]:
    """What goes, and of how many."""
    counted: dict[str, tuple[int, int]] = {}
    for kind, title in (("access policy", "route"), ("cluster", "upstream"), ("limit", "rate limit")):
        old = before.names(kind)
        gone = old - after.names(kind)
        if gone:
            counted[title] = len(gone), len(old)
    return counted
