"""Tells all processes that hits were given back in one of them: what they remember as refused may fit now."""

from typing import Any

from ratelimit_svc.denied import Denied
from ratelimit_svc.keys import polled_key
from ratelimit_svc.redis.exchange import Command

_COUNT = """
if ARGV[1] == '0' then return tonumber(redis.call('GET', KEYS[1]) or 0) end
local count = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], 60)
return count
"""


class Refunds:
    """``denied`` counts those of this process, and forgets when there was one in any."""

    def __init__(self, denied: Denied) -> None:
        self._denied = denied
        self._told = self._telling = self._seen = 0

    def command(self, gateway: str) -> Command:
        """Tell, and ask. What got no answer is told again."""
        self._telling = self._denied.refunds
        return ("EVAL", _COUNT, 1, polled_key(gateway, "refunds"), int(self._telling != self._told))

    def learn(self, reply: Any) -> None:
        """A number that is another one after every refund."""
        self._told = self._telling
        if reply != self._seen:
            self._seen = reply
            self._denied.forget()
