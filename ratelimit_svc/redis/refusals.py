"""Tells Redis who was refused, in the background: no request waits for it, and none fails by it."""

from collections.abc import Sequence
from typing import Any

from ratelimit_svc import telemetry
from ratelimit_svc.engine import Decision
from ratelimit_svc.redis.exchange import Command
from ratelimit_svc.refused import MINUTES, MOST, Refused, Tally, minute_keys, write
from ratelimit_svc.rules import Descriptor

_ADD = f"""
local minute = math.floor(redis.call('TIME')[1] / 60)
local key = KEYS[1 + minute % {MINUTES}]
for i = 1, #ARGV, 2 do redis.call('ZINCRBY', key, ARGV[i + 1], ARGV[i]) end
if #ARGV > 0 then redis.call('EXPIREAT', key, (minute + {MINUTES}) * 60) end
return redis.call('ZREMRANGEBYRANK', key, 0, -{MOST + 1})
"""


class Refusals:
    """What was refused since the last report. A report that got no answer is made again with the next."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._told: dict[Refused, int] = {}
        self._lost = 0

    def note(self, decision: Decision, asked: Sequence[Descriptor]) -> None:
        """A call was decided on: every limit that refuses it counts."""
        for status, descriptor in zip(decision.statuses, asked, strict=True):
            if status is not None and status.refuses:
                self._tally.add(Refused(status.name, telemetry.caller(descriptor)))

    def command(self, gateway: str) -> Command:
        """Report."""
        for refused, times in self._told.items():
            self._tally.add(refused, times)
        self._told = self._tally.take()
        lost, self._lost = self._tally.lost - self._lost, self._tally.lost
        telemetry.REFUSALS_LOST.inc(lost)
        keys = minute_keys(gateway)
        counts = [word for refused, times in self._told.items() for word in (write(refused), times)]
        return ("EVAL", _ADD, len(keys), *keys, *counts)

    def learn(self, reply: Any) -> None:
        """It was taken down; ``reply`` callers found no room in the minute."""
        self._told = {}
        telemetry.REFUSED_DROPPED.inc(reply)
