"""The algorithms a limit may choose, each twice: in Lua for Redis, in Python for the local fallback.

A new one is a module, a ``.lua`` beside it, and a line in ``ALGORITHMS``. The module implements :class:`Algorithm`;
the Lua fragment returns a table of three functions that do the same::

    read(key, window, now) -> state            the counter rolled forward to now
    room(state, requests, window, now) -> n    hits it has room for
    write(key, state, window, hits)            charge it and set its TTL

Both work on the same numbers, so they agree exactly; the tests hold them to it.
"""

from importlib.resources import files
from typing import Protocol

from ratelimit_svc.algorithms import fixed_window, sliding_window
from ratelimit_svc.policy import Algorithm as Name
from ratelimit_svc.policy import Limit
from ratelimit_svc.store import State


class Algorithm(Protocol):
    """One way to count. All functions are pure; times are milliseconds since the epoch, or durations in ms."""

    def roll(self, state: State | None, window_ms: int, now_ms: int) -> State:
        """The state at ``now_ms``, from the one that was stored last (None: nothing was)."""

    def room(self, limit: Limit, state: State, now_ms: int) -> int:
        """How many hits fit now; negative when the limit was lowered below what is used."""

    def charge(self, state: State, hits: int) -> State:
        """The state after ``hits`` were admitted."""

    def reset_ms(self, limit: Limit, state: State, now_ms: int) -> int:
        """Until the current window ends; at least 1."""

    def wait_ms(self, limit: Limit, hits: int, state: State, now_ms: int) -> int:
        """Until ``hits`` would fit if nobody else called; ``reset_ms`` when they never will. At least 1."""


ALGORITHMS: dict[Name, Algorithm] = {
    "fixed_window": fixed_window,
    "sliding_window": sliding_window,
}


def script() -> str:
    """The one Lua script that decides over any number of counters, with every algorithm in it."""
    here = files(__name__)
    fragments = [
        f"algorithms[{name!r}] = (function()\n{(here / f'{name}.lua').read_text()}end)()\n" for name in ALGORITHMS
    ]
    return "\n".join(["local algorithms = {}", *fragments, (here / "decide.lua").read_text()])
