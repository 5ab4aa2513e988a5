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

import hashlib
from importlib.resources import files

from ratelimit_svc.algorithms import concurrency, fixed_window, quota, sliding_log, sliding_window
from ratelimit_svc.algorithms.calendar import boundaries
from ratelimit_svc.algorithms.leaky_bucket import LEAKY_BUCKET
from ratelimit_svc.algorithms.protocol import MOST, Algorithm
from ratelimit_svc.algorithms.token_bucket import TOKEN_BUCKET
from ratelimit_svc.policy import Algorithm as Name
from ratelimit_svc.store import Charge

ALGORITHMS: dict[Name, Algorithm] = {
    "fixed_window": fixed_window,
    "sliding_window": sliding_window,
    "sliding_log": sliding_log,
    "token_bucket": TOKEN_BUCKET,
    "leaky_bucket": LEAKY_BUCKET,
    "concurrency": concurrency,
    "quota": quota,
}


def particulars(charge: Charge, wall_clock_ms: int) -> str:
    """What Lua is told of a charge beside its numbers: the request that holds a lease, the calendar around now.

    A request's name is cut to a digest: it may be of any length, and is kept for each that is under way.
    """
    terms = charge.terms
    if terms.period is not None:
        return boundaries(terms.period, terms.time_zone, wall_clock_ms // 3_600_000)
    return hashlib.blake2b(charge.lease.encode(), digest_size=12).hexdigest() if charge.lease else ""


def script() -> str:
    """The one Lua script that decides over any number of counters, with every algorithm in it."""
    here = files(__name__)
    fragments = [
        f"algorithms[{name!r}] = (function()\n{(here / f'{name}.lua').read_text()}end)()\n" for name in ALGORITHMS
    ]
    return "\n".join([f"local MOST, algorithms = {MOST}, {{}}", *fragments, (here / "decide.lua").read_text()])
