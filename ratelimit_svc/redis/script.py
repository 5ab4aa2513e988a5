"""The script that decides, as a command and its reply."""

import hashlib
from collections.abc import Sequence
from typing import Any

from ratelimit_svc import algorithms
from ratelimit_svc.local_store import wall_clock_ms
from ratelimit_svc.redis.exchange import Command
from ratelimit_svc.store import Charge, Reading, Terms, Verdict

TEXT = algorithms.script()
LOAD: Command = ("SCRIPT", "LOAD", TEXT)
_SHA = hashlib.sha1(TEXT.encode(), usedforsecurity=False).hexdigest()


def command(charges: Sequence[Charge]) -> Command:
    """What asks ``decide.lua`` about a call; in a Cluster, the keys must share a slot."""
    now_ms = wall_clock_ms()
    words: list[str | int] = ["EVALSHA", _SHA, len(charges)]
    words += [charge.key for charge in charges]
    for charge in charges:
        terms = charge.terms
        burst = -1 if terms.burst is None else terms.burst
        words += (terms.algorithm, charge.mode, charge.hits, terms.requests, terms.window_ms, burst)
        words.append(algorithms.particulars(charge, now_ms))
    return words


def verdict(reply: Sequence[Any]) -> Verdict:
    """The reply of ``decide.lua`` in our terms."""
    allowed, now_ms, *counters = reply
    return Verdict(bool(allowed), now_ms, tuple(Reading(room, until_ms) for room, until_ms in counters))


def probe(tag: str) -> Command:
    """A charge to nobody's counter, in the slot of ``tag``: a server that cannot write is not well."""
    return command([Charge(f"gatectl:rl:{{{tag}}}:probe", Terms("fixed_window", 2**53, 1000), 1)])
