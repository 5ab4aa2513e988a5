"""Several Envoys: the canary goes first, and whoever refuses takes everybody back."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout import bootstrap
from gatectl.rollout.apply import Receipt, apply
from gatectl.rollout.converge import Event
from gatectl.rollout.envoy_admin import KINDS, EnvoyAdmin
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.rollout.stages import CDS
from gatectl.rollout.store import CURRENT, Store
from gatectl.rollout.targets import Targets, refuse_strangers, targets_of
from tests.gatectl.gateways import NOBODY, PATIENCE, free_port, until
from tests.gatectl.specs import bundle, route
from tests.gatectl.test_apply import spoilt

# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
NODES = ("edge-1", "edge-2", "shared")


class Fleet:
    """Two Envoys with directories of their own and one on the shared one, on one store."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.store = directory, Store(directory)
        self.port = free_port()
        self.events: list[Event] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def rendered(self, *names: str) -> Bundle:
        """All listen on the same port, which Envoy shares with its like."""
        return bundle(
            self.directory,
            listener={"address": "127.0.0.1", "port": self.port},
            routes=[route(name, {"path": f"/{name}"}) for name in names],
        )

    def start(self, first: Bundle) -> None:
        apply(first, self.store, Targets(), PATIENCE, self.events.append)
        for name in NODES:
            node = None if name == "shared" else name
            socket = str(self.directory / f"{name}.sock")
            path = bootstrap.write(self.directory, first.gateway, node, socket, NOBODY, NOBODY)
            options = [
                "--disable-hot-restart",
                "--reject-unknown-dynamic-fields",
                "--concurrency",
                "1",
                "-l",
                "warning",
            ]
            with (self.directory / f"{name}.log").open("wb") as log:
                command = [str(find_envoy()), "-c", str(path), *options]
                self.processes[name] = subprocess.Popen(command, cwd=path.parent, stdout=log, stderr=log)
        until(lambda: set(self.versions().values()) == {first.revision}, "all are up")

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    @property
    def targets(self) -> Targets:
        return targets_of(self.directory, None, admins=[str(self.directory / f"{name}.sock") for name in NODES])

    def apply(self, new: Bundle, timeout: float = PATIENCE) -> Receipt:
        self.events.clear()
        targets = self.targets
        try:
            return apply(new, self.store, targets, timeout, self.events.append)
        finally:
            targets.close()

    def versions(self) -> dict[str, str | None]:
        """The revision of each node; None while it has none, or differs between its files."""
        found: dict[str, str | None] = {}
        for name in NODES:
            admin = EnvoyAdmin(str(self.directory / f"{name}.sock"))
            report = admin.report()
            admin.close()
            seen = {report.kinds[kind].version for kind in KINDS} if report else {None}
            found[name] = seen.pop() if len(seen) == 1 else None
        return found

    def order_of(self) -> list[str]:
        """The nodes, in the order in which their routes arrived."""
        return [event.target for event in self.events if event.part == "rds" and event.target]


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="gc-") as directory:  # a socket's path must be short
        fleet = Fleet(Path(directory))
        try:
            yield fleet
        finally:
            fleet.stop()


def test_the_canary_goes_first_then_the_rest(fleet: Fleet) -> None:
    first, second = fleet.rendered("a"), fleet.rendered("a", "b")
    fleet.start(first)
    receipt = fleet.apply(second)
    assert receipt.proven == ("edge-1", "edge-2", str(fleet.directory / "shared.sock"))
    assert set(fleet.versions().values()) == {second.revision}
    assert fleet.order_of()[0] == "edge-1"
    assert sorted(fleet.order_of()) == sorted(receipt.proven)
    moved = [str(event) for event in fleet.events if str(event) == f"switching to {second.revision}"]
    assert len(moved) == 2, "one switch for the canary, one for the rest"
    assert not fleet.apply(second).changed


def test_what_the_canary_refuses_nobody_else_ever_sees(fleet: Fleet) -> None:
    first = fleet.rendered("a")
    fleet.start(first)
    bad = spoilt(fleet.rendered("a", "b"), CDS, "bad value")
    with pytest.raises(GatectlError, match=r"edge-1\.sock rejects cds") as caught:
        fleet.apply(bad)
    assert caught.value.exit_code == 4
    assert {event.target for event in fleet.events if event.target} <= {"edge-1"}
    assert fleet.store.generation(CURRENT) == first.revision
    until(lambda: set(fleet.versions().values()) == {first.revision}, "the canary is back")


def test_when_one_of_the_rest_stays_silent_the_canary_is_taken_back_too(fleet: Fleet) -> None:
    first, second = fleet.rendered("a"), fleet.rendered("a", "b")
    fleet.start(first)
    targets = fleet.targets

    def freeze_once_the_canary_is_there(event: Event) -> None:
        if event.target == "edge-1" and event.part == "rds":
            os.kill(fleet.processes["edge-2"].pid, signal.SIGSTOP)

    try:
        with pytest.raises(GatectlError) as caught:
            apply(second, fleet.store, targets, 1, freeze_once_the_canary_is_there)
    finally:
        os.kill(fleet.processes["edge-2"].pid, signal.SIGCONT)
        targets.close()
    assert caught.value.exit_code == 5
    assert all(fleet.store.generation(slot) == first.revision for slot in (CURRENT, *fleet.store.node_slots()))
    until(lambda: set(fleet.versions().values()) == {first.revision}, "all are back")
    assert fleet.apply(second).changed


def test_a_canary_that_a_killed_rollout_left_ahead_is_brought_back_by_the_next_one(fleet: Fleet) -> None:
    first, second = fleet.rendered("a"), fleet.rendered("a", "b")
    fleet.start(first)
    fleet.store.write(second)
    fleet.store.switch("nodes/edge-1/current", second.revision)
    until(lambda: fleet.versions()["edge-1"] == second.revision, "the canary is ahead")
    assert not fleet.apply(first).changed
    until(lambda: set(fleet.versions().values()) == {first.revision}, "all are one again")


def test_a_node_that_nobody_names_is_not_left_behind_unseen(fleet: Fleet) -> None:
    fleet.start(fleet.rendered("a"))
    targets = targets_of(fleet.directory, None, admins=[str(fleet.directory / "edge-1.sock")])
    with pytest.raises(GatectlError, match='node "edge-2" has a directory here, and nobody asks it'):
        refuse_strangers(targets, fleet.store)
    targets.close()


def test_an_envoy_that_is_named_and_not_there_is_told_at_once(fleet: Fleet) -> None:
    with pytest.raises(GatectlError, match="cannot be reached") as caught:
        targets_of(fleet.directory, None, admins=[str(fleet.directory / "nobody.sock")])
    assert caught.value.exit_code == 5
