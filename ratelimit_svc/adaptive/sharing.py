"""One level for all: every process reports what it saw once per interval, and learns what is decided from all of it.

An interval is closed by Redis's clock; its figures do not change afterwards. Whoever comes first after that applies
the law to them and offers the outcome; the first offer is the decision, and everybody else takes it over. All offers
would be equal but for processes of another revision, whose law may differ: there the first one counts. While Redis is
away every process goes on by its own figures, and tells a Redis that has forgotten the level where it stands.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.resources import files
from typing import Any, Protocol, get_args

from ratelimit_svc.adaptive import telemetry
from ratelimit_svc.adaptive.law import INTERVAL_MS, NOTHING, Figures, Law, Reason, State, step
from ratelimit_svc.keys import polled_key
from ratelimit_svc.redis.exchange import Command
from ratelimit_svc.store import StoreUnavailableError

KEEP_MS = 600_000
"""How long a level is kept that nobody asks for."""
SCRIPT = (files(__package__) / "share.lua").read_text()
_NO_OFFER = (-2, -2, "")
_REASONS = frozenset(get_args(Reason))


class Asking(Protocol):
    """Whoever has the keys of a gateway: ``ratelimit_svc.redis.open_store``."""

    async def ask(self, commands: Sequence[Command], key: str) -> list[Any]:
        """A reply for each command, or the error it was answered with. Raises StoreUnavailableError."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all processes know of a limit. ``decided`` and ``closed`` are intervals of Redis's clock; -1: none yet.

    ``figures`` are those of all processes in the ``intervals`` up to ``closed`` that are not decided yet. ``taken``:
    the offer of this process became the decision.
    """

    taken: bool
    decided: int
    state: State | None
    reason: Reason | None
    closed: int
    intervals: int
    figures: Figures


def write(state: State, reason: Reason) -> str:
    """A state for Redis; ``read`` takes it."""
    return json.dumps([state.level, state.knee, state.settling, astuple(state.pending), state.waited, reason])


def read(text: str | bytes) -> tuple[State, Reason] | tuple[None, None]:
    """The state and the reason that ``write`` made a text of; None for anything else."""
    try:
        level, knee, settling, pending, waited, reason = json.loads(text)
        state = State(float(level), float(knee), int(settling), Figures(*map(int, pending)), int(waited))
    except (ValueError, TypeError, OverflowError):
        return None, None
    sound = 0 < state.level <= 1 and 0 <= state.knee <= 1 and min(state.settling, state.waited) >= 0
    return (state, reason) if sound and min(astuple(state.pending)) >= 0 and reason in _REASONS else (None, None)


def key_of(gateway: str, limit: str) -> str:
    """The key of a limit's level. All levels of a gateway are in one slot of a Cluster: one script reads them."""
    return polled_key(gateway, f"level:{limit}")


class Levels:
    """The levels of a gateway's adaptive limits as this process knows them, and what it has seen since it last told.

    Redis is asked by ``exchange`` only; everything else is immediate and never waits.
    """

    def __init__(self, redis: Asking, interval_ms: int = INTERVAL_MS) -> None:
        self._redis, self._interval_ms = redis, interval_ms
        self._states: dict[str, State] = {}
        self._seen: dict[str, Figures] = {}

    def level(self, limit: str, law: Law) -> float:
        """The share of a limit's numbers that is in force: from ``law.floor`` to 1."""
        state = self._states.get(limit)
        return max(law.floor, state.level) if state is not None else 1.0

    def note(self, limit: str, figures: Figures) -> None:
        """Something happened to a limit."""
        self._seen[limit] = self._seen.get(limit, NOTHING) + figures

    async def exchange(self, gateway: str, laws: Mapping[str, Law]) -> None:
        """Once per interval: tell and learn. ``laws`` are those in force; what is not among them is forgotten."""
        self._states = {name: self._states.get(name, State()) for name in laws}
        seen = {name: self._seen.get(name, NOTHING) for name in laws}
        self._seen = {}
        if not laws:
            return
        try:
            known = await self._share(gateway, seen, dict.fromkeys(laws, _NO_OFFER))
            offers = {name: self._offer(laws[name], self._states[name], shared) for name, shared in known.items()}
            open_offers = {name: offer for name, offer in offers.items() if offer != _NO_OFFER}
            if open_offers:
                known |= await self._share(gateway, dict.fromkeys(open_offers, NOTHING), open_offers)
        except StoreUnavailableError:
            telemetry.ALONE.set(1)
            for name, law in laws.items():
                self._states[name], reason = step(law, self._states[name], seen[name])
                telemetry.STEPS.labels(name, reason).inc()
        else:
            telemetry.ALONE.set(0)
            for name, shared in known.items():
                if shared.state is not None:
                    self._states[name] = shared.state
                if shared.reason is not None and shared.taken:
                    telemetry.STEPS.labels(name, shared.reason).inc()
        for name, law in laws.items():
            telemetry.LEVEL.labels(name).set(self.level(name, law))

    @staticmethod
    def _offer(law: Law, own: State, shared: Shared) -> tuple[int, int, str]:
        """What the law makes of figures that nobody has decided on: the interval, the one before, and the state."""
        if shared.closed <= shared.decided:
            return _NO_OFFER
        state = shared.state if shared.state is not None else own
        return shared.closed, shared.decided, write(*step(law, state, shared.figures, shared.intervals))

    async def _share(
        self, gateway: str, seen: Mapping[str, Figures], offers: Mapping[str, tuple[int, int, str]]
    ) -> dict[str, Shared]:
        """One run of the script for all limits of ``seen``. Raises StoreUnavailableError."""
        arguments: list[str | int] = [self._interval_ms, KEEP_MS]
        for name, figures in seen.items():
            arguments += [*astuple(figures), *offers[name]]
        keys = [key_of(gateway, name) for name in seen]
        (replies,) = await self._redis.ask([("EVAL", SCRIPT, len(keys), *keys, *arguments)], keys[0])
        try:
            return {name: _shared(*reply) for name, reply in zip(seen, replies, strict=True)}
        except (ValueError, TypeError) as error:
            raise StoreUnavailableError("the answer makes no sense") from error


def _shared(taken: int, decided: int, text: str | bytes, closed: int, intervals: int, *figures: int) -> Shared:
    state, reason = read(text)
    return Shared(bool(taken), decided, state, reason, closed, intervals, Figures(*figures))
