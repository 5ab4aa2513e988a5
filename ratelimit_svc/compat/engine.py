"""What a call asks, what is charged for it, and what the answer is, as envoyproxy/ratelimit decides. Pure.

Every rule that applies is charged, whether or not another refuses: a refused call counts too. A rule refuses when its
count is above its rate afterwards, so a look (0 hits) is refused only when the rate was already exceeded.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ratelimit_svc.compat.config import Config, Entry, Found, Rate, Rule, label
from ratelimit_svc.rules import Mistake, check_call
from ratelimit_svc.store import Charge, Mode, Terms, Verdict

MAX_HITS = 2**33
"""Larger addends are cut to this: above every rate, so refused for the rest of the window either way."""
MAX_WINDOW_S = 366 * 86_400
UNLIMITED = 2**32 - 1
"""``remaining`` of an unlimited rule, as the reference tells it."""


class Asked(NamedTuple):
    """One descriptor of a call. ``override``: the rate that comes with it, which then holds instead of the files'.

    ``refund``: the hits are given back (``is_negative_hits``).
    """

    entries: tuple[Entry, ...]
    hits: int
    override: Rate | None = None
    refund: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """A descriptor with a rule: what is charged for it. ``key`` None: nothing, it is unlimited."""

    found: Found
    key: str | None
    asked: Asked


@dataclass(frozen=True, slots=True)
class Status:
    """How one descriptor fares. ``rate`` None: it is unlimited."""

    rule: Rule
    metric: str
    over: bool
    """The rate is exceeded and the rule refuses for it."""
    shadowed: bool
    """The rate is exceeded, and the rule only looks on."""
    remaining: int
    reset_s: int
    """Until the window ends, in whole seconds; at least 1. 0 when unlimited."""
    before: int
    after: int
    """The count before and after the call's hits."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a call. ``statuses`` are in the order of the descriptors; None where no rule applies."""

    allowed: bool
    statuses: tuple[Status | None, ...]

    @property
    def limiting(self) -> Status | None:
        """What a client should look at: of those that refuse the one to wait longest for, else the least left."""
        limited = [status for status in self.statuses if status is not None and status.rule.rate is not None]
        over = [status for status in limited if status.over]
        if over:
            return max(over, key=lambda status: status.reset_s)
        return min(limited, key=lambda status: status.remaining, default=None)


def select(config: Config, domain: str, asked: Sequence[Asked]) -> list[Counted | None]:
    """What each descriptor of a call is counted by, in order.

    Raises Mistake for a call without domain or descriptors, with too many, or with an impossible override.
    """
    check_call(domain, asked)
    found = [_find(config, domain, one) for one in asked]
    replaced = {name for one in found if one is not None for name in one.rule.replaces}
    return [
        None if one is None or (one.rule.rate is not None and one.rule.name in replaced)
        else Counted(one, None if one.rule.rate is None else store_key(domain, one.counted, one.rule.rate), what)
        for one, what in zip(found, asked, strict=True)
    ]  # fmt: skip


def _find(config: Config, domain: str, asked: Asked) -> Found | None:
    rate = asked.override
    if rate is None or domain not in config.domains:
        return config.match(domain, asked.entries)
    if rate.window_s > MAX_WINDOW_S:
        raise Mistake("bad_override", "a limit that comes with a descriptor has a window of at most 366 days")
    path = ".".join([domain, *(label(key, "") for key, _ in asked.entries)])  # no values: they are without number
    return Found(Rule(path, rate), asked.entries, path)


def store_key(domain: str, counted: Sequence[Sequence[str]], rate: Rate) -> str:
    """The store's key of a counter: a hash of JSON, so no two descriptors share one by their spelling.

    The rate's requests are not in it: a raised limit takes effect at once. The braces pin a descriptor's counters to
    one cluster slot.
    """
    identity = json.dumps(["compat", domain, counted], separators=(",", ":")).encode()
    return f"gatectl:rl:{{{hashlib.blake2b(identity, digest_size=20).hexdigest()}}}:{rate.window_s * 1000}"


def charges(counted: Sequence[Counted | None]) -> list[Charge]:
    """What to ask of the store. Descriptors about the same counter are charged together.

    They may be held to different numbers; whether one is exceeded is decided here, so any of them will do.
    Raises Mistake for a call that charges a counter and gives back to it: the count ends at 0, so order would matter.
    """
    charged: dict[str, Charge] = {}
    for one in counted:
        if one is not None and one.key is not None:
            rate = one.found.rule.rate
            assert rate is not None
            mode: Mode = "give_back" if one.asked.refund else "add"
            known = charged.get(one.key)
            if known is not None and known.mode != mode:
                raise Mistake("contradictory", "a call charges a counter and gives back to it")
            hits = abs(_hits(one.asked)) + (known.hits if known is not None else 0)
            charged[one.key] = Charge(one.key, Terms("fixed_window", rate.requests, rate.window_s * 1000), hits, mode)
    return list(charged.values())


def _hits(asked: Asked) -> int:
    """What a descriptor adds to its counter; negative for what it gives back."""
    hits = min(asked.hits, MAX_HITS)
    return -hits if asked.refund else hits


def conclude(
    counted: Sequence[Counted | None], charged: Sequence[Charge], verdict: Verdict, *, shadow: bool = False
) -> Decision:
    """The decision, from the ``verdict`` on what was ``charged``. ``shadow``: every call is let through."""
    counts = {
        charge.key: charge.terms.requests - reading.room
        for charge, reading in zip(charged, verdict.readings, strict=True)
    }
    statuses: list[Status | None] = []
    for one in counted:
        if one is None:
            statuses.append(None)
            continue
        before = after = 0
        if one.key is not None:  # descriptors about one counter are charged one after the other
            before = counts[one.key]
            after = counts[one.key] = max(0, before + _hits(one.asked))
        statuses.append(_status(one, before, after, verdict.now_ms))
    counting = [status for status in statuses if status is not None and status.rule.rate is not None]
    quotas = [status for status in counting if status.rule.quota]
    refused = any(status.over for status in counting if not status.rule.quota)
    over = refused or (bool(quotas) and all(status.over for status in quotas))
    return Decision(shadow or not over, tuple(statuses))


def _status(one: Counted, before: int, after: int, now_ms: int) -> Status:
    rule, metric = one.found.rule, one.found.metric
    if rule.rate is None:
        return Status(rule, metric, over=False, shadowed=False, remaining=UNLIMITED, reset_s=0, before=0, after=0)
    exceeded = after > rule.rate.requests and not one.asked.refund
    return Status(
        rule,
        metric,
        over=exceeded and not rule.shadow,
        shadowed=exceeded and rule.shadow,
        remaining=max(0, rule.rate.requests - after),
        reset_s=rule.rate.window_s - now_ms // 1000 % rule.rate.window_s,
        before=before,
        after=after,
    )
