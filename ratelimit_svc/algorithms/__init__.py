"""The algorithms a limit may choose, each twice: in Lua for Redis, in Python for the local fallback.

A new one is a module, a ``.lua`` beside it, and a line in ``ALGORITHMS``. The module implements
:class:`ratelimit_svc.algorithms.protocol.Algorithm`; the Lua fragment returns a table of five functions that do the
same. ``counter`` is a table of what ``decide.lua`` is told of a charge::

    read(counter, now) -> state           the counter rolled forward to now
    room(counter, state, now) -> n        hits it has room for
    write(counter, state, now, hits)      charge it (or give back, when negative) and set its TTL
    reset(counter, state, now) -> ms      until its window ends
    wait(counter, state, now) -> ms       until counter.hits would fit

Both work on the same numbers, so they agree exactly; the tests hold them to it.
"""

from importlib.resources import files

from ratelimit_svc.algorithms import fixed_window, sliding_window
from ratelimit_svc.algorithms.protocol import MOST, Algorithm
from ratelimit_svc.policy import Algorithm as Name

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
    return "\n".join([f"local MOST, algorithms = {MOST}, {{}}", *fragments, (here / "decide.lua").read_text()])
