"""kill -9 at every step of a rollout over a real Envoy: what is in force is the old or the new, and the next command
says which.
"""

import multiprocessing
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.render.bundle import Bundle
from gatectl.rollout import history, journal
from gatectl.rollout.apply import apply
from gatectl.rollout.converge import Event
from gatectl.rollout.store import CURRENT, NEXT, in_force
from tests.gatectl.gateways import PATIENCE, Gateway, unguarded, until
from tests.gatectl.killed import STEPS, roll_out
from tests.gatectl.test_apply import KINDS, rendered
from tests.gatectl.traffic import Backend, Traffic

FORKS = multiprocessing.get_context("forkserver")  # gatectl is imported once and not for every step
FORKS.set_forkserver_preload(["tests.gatectl.killed"])
# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
World = tuple[Gateway, Bundle, Bundle, Traffic]
ONLY_WRITTEN = (
    "before the lock",
    "while the generation is written",
    "before the generation gets its name",
    "before the record of the spec",
    "before the journal",
)
"""Nothing has been begun that anybody would have to be told of."""
OVER = ("before the old generations are pruned",)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A gateway under traffic, what it runs, and what it is about to: another cluster under the same route."""
    with tempfile.TemporaryDirectory(prefix="gc-") as directory, Backend("xy") as backend:
        gateway = Gateway(Path(directory))
        try:
            old = unguarded(rendered(gateway, {"u": backend.ports["x"]}, a="u"))
            new = unguarded(rendered(gateway, {"v": backend.ports["y"]}, a="v"))
            gateway.start(old)
            with Traffic(gateway.port, "/a") as traffic:
                yield gateway, old, new, traffic
        finally:
            gateway.stop()


@pytest.mark.parametrize("step", STEPS)
def test_the_old_or_the_new_is_in_force_and_the_next_command_says_which(world: World, step: str) -> None:
    gateway, old, new, traffic = world
    gateway.apply(old)
    (gateway.directory / history.HISTORY).unlink(missing_ok=True)
    history.append(gateway.directory, history.Entry.model_validate(ANY))
    # the generation must be written again, or the steps that write it would not be taken
    subprocess.run(["rm", "-rf", str(gateway.directory / "generations" / new.revision)], check=True)
    process = FORKS.Process(target=roll_out, args=(new, gateway.directory, gateway.admin.address, step), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, "the step is never taken"

    generation = gateway.store.generation(CURRENT)
    assert generation is not None
    assert gateway.store.intact(generation)
    now = in_force(generation)
    assert now in {old.revision, new.revision}
    until(lambda: gateway.versions()["rds"] == gateway.versions()["lds"] == now, "Envoy obeys what is in force")
    seen = sum(traffic.answers.values())
    until(lambda: sum(traffic.answers.values()) > seen + 5, "requests")
    assert {answer[:3] for answer in traffic.answers} == {"200"}, traffic.answers

    told = journal.interrupted(gateway.store)
    assert told == (None if step in (*ONLY_WRITTEN, *OVER) else new.revision)
    events: list[Event] = []
    apply(new, gateway.store, gateway.targets, PATIENCE, events.append)
    said = [str(event) for event in events if "interrupted" in str(event)]
    assert said == ([f"an earlier apply of {new.revision} was interrupted: {now} is in force"] if told else [])
    assert gateway.versions() == dict.fromkeys(KINDS, new.revision)
    assert (gateway.store.generation(CURRENT), gateway.store.generation(NEXT)) == (new.revision, None)
    assert journal.unfinished(gateway.directory) is None
    entries = [(entry.revision, entry.outcome) for entry in history.read(gateway.directory)[1:]]
    first = [(new.revision, "interrupted")] if told and now == old.revision else []
    assert entries == [*first, (new.revision, "applied")], "each rollout is in the history once"


ANY = {"at": "2000-01-01T00:00:00+00:00", "by": "test", "action": "up", "revision": "0", "previous": None} | {
    "outcome": "applied"
}
