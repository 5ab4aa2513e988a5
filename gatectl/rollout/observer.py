"""Looks at a gateway, once or again and again."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

from gatectl.diagnostics import GatectlError
from gatectl.rollout import history, journal, node_status, service_status
from gatectl.rollout.asking import Answer, Round
from gatectl.rollout.journal import Journal
from gatectl.rollout.node_status import Answered, Goal, NodeStatus, question
from gatectl.rollout.place import RUNNING, Running, read_running
from gatectl.rollout.redis_status import RedisAdmin, RedisStatus
from gatectl.rollout.service_status import Service
from gatectl.rollout.services import ServiceAdmin, ServiceStatus
from gatectl.rollout.status import Status
from gatectl.rollout.store import CURRENT, NODES, PREVIOUS, Store, in_force
from gatectl.rollout.targets import Node, Targets, admin_at, node_of, targets_of

ANSWER_SECONDS = 2.0
"""Who says nothing for so long is unreachable."""
PATIENCE_SECONDS = 60.0
"""How long a question stays open: a frozen part gets one in this time, however often somebody looks."""
_REDIS = "redis"
_Said = Answered | ServiceStatus | RedisStatus | None
"""What somebody says, if anything."""


@dataclass(frozen=True)
class _Disk:
    """What lies in the state directory: what is in force, what was, and the rollout that has begun."""

    generation: str | None
    previous: str | None
    begun: Journal | None
    under_way: bool

    @classmethod
    def read(cls, store: Store) -> "_Disk":
        begun = journal.unfinished(store.state_dir)
        under_way = begun is not None and store.is_locked()
        return cls(store.generation(CURRENT), store.generation(PREVIOUS), begun, under_way)


class Observer:
    """Looks at a gateway as often as one likes, over one connection to each part."""

    def __init__(self, state_dir: Path, admins: Sequence[str] = (), services: Sequence[str] = ()) -> None:
        """``admins`` and ``services`` as for ``targets_of``. Raises GatectlError (64) for what cannot be read."""
        self._store = Store(state_dir)
        self._named = {address: admin_at(address) for address in dict.fromkeys(one.rstrip("/") for one in admins)}
        self._services = services
        self._targets, self._redis = Targets(), cast("RedisAdmin | None", None)
        self._connect(None)

    def look(self) -> Status:
        """Ask everybody at once. Nobody answering is a result, not an error. Raises GatectlError when what lies in the
        state directory is not ours.
        """
        state_dir = self._store.state_dir
        running = read_running(state_dir)
        if running != self._running:
            self._connect(running)
        before = _Disk.read(self._store)
        answers = self._round.ask(self._questions())
        disk = _Disk.read(self._store)
        revision = in_force(disk.generation) if disk.generation else None
        # what was switched while they were asked has moved too: their answers are about the way to it
        under_way = disk.under_way or before.generation != disk.generation
        goal = Goal(disk.begun.revision if disk.begun and disk.under_way else revision, under_way)
        applied = [one for one in history.read(state_dir) if one.outcome == "applied" and one.revision == revision]
        nodes = [self._node(node, answers[node.admin.address], goal) for node in self._nodes]
        return Status(
            at=datetime.now(UTC),
            state_dir=state_dir,
            gateway=running.gateway if running else self._name(disk.generation),
            revision=revision,
            previous=in_force(disk.previous) if disk.previous else None,
            applied=applied[-1] if applied else None,
            goal=goal,
            rollout=disk.begun,
            nodes=(*nodes, *self._strangers(nodes)),
            services=tuple(self._service(one, answers[one.address], goal) for one in self._targets.services),
            redis=_redis(self._redis, answers) if self._redis else None,
        )

    def looks(self, interval: float, count: int = 0) -> Iterator[Status]:
        """Look every ``interval`` seconds; ``count`` times, or for ever when it is 0."""
        done = 0
        while True:
            began = time.monotonic()
            yield self.look()
            done += 1
            if done == count:
                return
            time.sleep(max(0, began + interval - time.monotonic()))

    def close(self) -> None:
        """Free the connections."""
        self._disconnect()
        for admin in self._named.values():
            admin.close()

    def _name(self, generation: str | None) -> str | None:
        """Of the gateway that was applied last, when somebody else runs it."""
        manifest = self._store.manifest(generation) if generation else None
        name = manifest.get("gateway") if isinstance(manifest, dict) else None
        return name if isinstance(name, str) else None

    def _disconnect(self) -> None:
        self._targets.close()
        if self._redis is not None:
            self._redis.close()

    def _connect(self, running: Running | None) -> None:
        """To the gateway that runs now; one that is brought up again has other addresses."""
        self._disconnect()
        self._running = running
        self._targets = targets_of(self._store.state_dir, running, services=self._services)
        own = {node.admin.address for node in self._targets.nodes}
        further = [Node(address, admin) for address, admin in self._named.items() if address not in own]
        self._nodes = (*self._targets.nodes, *further)
        self._redis = _redis_of(self._store.state_dir, running) if running else None
        self._round: Round[_Said] = Round(ANSWER_SECONDS)
        for node in self._nodes:
            node.admin.be_patient(PATIENCE_SECONDS)
        for service in self._targets.services:
            service.be_patient(PATIENCE_SECONDS)

    def _questions(self) -> dict[str, Callable[[], _Said]]:
        asked: dict[str, Callable[[], _Said]] = {}
        for node in self._nodes:
            asked[node.admin.address] = partial(question, node.admin)
        for service in self._targets.services:
            asked[service.address] = service.status
        if self._redis is not None:
            asked[_REDIS] = self._redis.status
        return asked

    def _node(self, node: Node, answer: Answer[_Said], goal: Goal) -> NodeStatus:
        if not isinstance(answer.value, Answered):
            return NodeStatus(node.name, node.admin.address, _silence(answer))
        if node in self._targets.nodes:
            return node_status.judge(node, answer.value, goal, self._store)
        here = node_of(self._store.state_dir, node.admin, answer.value.info.node)
        return node_status.judge(here, answer.value, goal, self._store)

    def _service(self, service: ServiceAdmin, answer: Answer[_Said], goal: Goal) -> Service:
        if isinstance(answer.value, ServiceStatus):
            return service_status.judge(service, answer.value, goal)
        return Service(service.name, service.address, "unreachable", None, _silence(answer))

    def _strangers(self, nodes: Sequence[NodeStatus]) -> list[NodeStatus]:
        """Nodes that have a directory here, and nobody who was asked is one of them."""
        names = {Path(slot).parent.name for slot in self._store.node_slots()} - {node.name for node in nodes}
        reason = "it has a directory here, and no Envoy that was asked has its id: name its admin with --admin"
        return [NodeStatus(name, f"{NODES}/{name}", reason) for name in sorted(names)]


def _redis_of(state_dir: Path, running: Running) -> RedisAdmin:
    try:
        return RedisAdmin(running.redis_url, PATIENCE_SECONDS)
    except ValueError:  # its message may quote the URL
        hint = f"`gatectl down --state-dir {state_dir}` clears it"
        raise GatectlError(f"{state_dir / RUNNING} names no Redis that could be asked; {hint}") from None


def _redis(admin: RedisAdmin, answers: Mapping[str, Answer[_Said]]) -> RedisStatus:
    answer = answers[_REDIS]
    return answer.value if isinstance(answer.value, RedisStatus) else RedisStatus(admin.address, _silence(answer))


def _silence(answer: Answer[_Said]) -> str:
    return f"it does not answer within {ANSWER_SECONDS:g} s" if answer.late else "it cannot be reached"
