"""The overrides of a gateway: a copy here, kept in step with Redis twice a second, so that no request waits for it.

The list is read only when its version has changed. While Redis is away, or has lost it, the last copy stays in force.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ratelimit_svc import telemetry
from ratelimit_svc.local_store import wall_clock_ms
from ratelimit_svc.overrides import MAX_RECORDS, Overrides, Record, read, redis_key, version_key
from ratelimit_svc.policy import Limit, Rate
from ratelimit_svc.redis.exchange import Command

log = logging.getLogger(__name__)

_ASK = f"""
local version = redis.call('GET', KEYS[2])
if not version then return {{}} end
if version == ARGV[1] then return {{version}} end
if redis.call('HLEN', KEYS[1]) > {MAX_RECORDS} then return {{version, 0}} end
return {{version, redis.call('HVALS', KEYS[1])}}
"""


class FollowedOverrides:
    """What is in force, as of the last answer. ``clock_ms`` says when an override has ended."""

    def __init__(self, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._clock_ms = clock_ms
        self._gateway, self._version, self._lost = "", "", False
        self._known: dict[bytes | str, Record] = {}
        self._table = Overrides()

    def rates(self, name: str, limit: Limit, caller: str) -> Sequence[Rate] | None:
        """The rates that hold for a caller instead of a limit's own; None: there are none."""
        return self._table.rates(name, limit, caller, self._clock_ms())

    def epoch(self, name: str, caller: str) -> str:
        """What the caller's counters of a limit are named with."""
        return self._table.epoch(name, caller)

    def command(self, gateway: str) -> Command:
        """Ask for what is new."""
        if gateway != self._gateway:
            self._gateway, self._version, self._lost = gateway, "", False
            self._take({})
        return ("EVAL", _ASK, 2, redis_key(gateway), version_key(gateway), self._version)

    def learn(self, reply: Any) -> None:
        """Nothing, the version that is here already, or a version and the documents."""
        if not reply:
            if self._version and not self._lost:  # never taken away by us
                log.error("the overrides are gone from Redis, the last copy stays in force")
            self._lost = bool(self._version)
            return
        self._lost = False
        if len(reply) == 1:
            return
        version, documents = reply
        self._version = version.decode() if isinstance(version, bytes) else version
        try:
            # one that cannot be read fails the whole: whom it holds back is not known
            self._take({document: self._known.get(document) or read(document) for document in documents})
        except (TypeError, ValueError) as error:  # TypeError: instead of too many a number comes
            telemetry.OVERRIDE_READS.labels("failed").inc()
            log.error(
                "the overrides cannot be read, the last copy stays in force", extra={"error": type(error).__name__}
            )
        else:
            telemetry.OVERRIDE_READS.labels("loaded").inc()
            log.info("overrides loaded", extra={"entries": len(self._known)})

    def _take(self, records: dict[bytes | str, Record]) -> None:
        self._known, self._table = records, Overrides(records.values())
        telemetry.OVERRIDES.set(len(records))
