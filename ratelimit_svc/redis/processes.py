"""How many processes share the limits: each announces itself in Redis, and learns of the others."""

import uuid
from collections.abc import Callable
from typing import Any

from ratelimit_svc import telemetry
from ratelimit_svc.keys import polled_key
from ratelimit_svc.redis.exchange import Command

GONE_SECONDS = 5
"""Who has not announced himself for so long is gone. Until then a share is too small rather than too large."""

_ANNOUNCE = f"""
local time = redis.call('TIME')
local new = redis.call('ZADD', KEYS[1], time[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] - {GONE_SECONDS})
redis.call('EXPIRE', KEYS[1], {2 * GONE_SECONDS})
return {{redis.call('ZCARD', KEYS[1]), new}}
"""


class Processes:
    """``own``: workers of this service, which are there even if Redis has never been reached.

    ``on_loss`` is called when Redis has forgotten this process: it was flushed, or is another one.
    """

    def __init__(self, own: int, on_loss: Callable[[], None]) -> None:
        self._own, self._on_loss = own, on_loss
        self._name = uuid.uuid4().hex
        self._announced = False
        self.count = own
        """Of all that were seen lately, at least ``own``; as of the last answer while Redis is away."""

    def command(self, gateway: str) -> Command:
        """Announce, and ask."""
        return ("EVAL", _ANNOUNCE, 1, polled_key(gateway, "processes"), self._name)

    def learn(self, reply: Any) -> None:
        """How many there are, and whether this one was new."""
        count, new = reply
        if new and self._announced:
            self._on_loss()
        self._announced = True
        self.count = max(count, self._own)
        telemetry.PROCESSES.set(self.count)
