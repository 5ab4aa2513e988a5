"""Who is being limited: what ratelimit_svc notes in Redis, read here."""

import itertools
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from gatectl.diagnostics import GatectlError
from gatectl.fields import parse_duration
from gatectl.runtime.redis_connection import connected
from ratelimit_svc.refused import MINUTES, minute_keys, seen


def span(text: str) -> int:
    """How far back to look, in milliseconds. Raises GatectlError (usage) for what is not kept."""
    try:
        span_ms = parse_duration(text)
    except ValueError:
        span_ms = 0
    if not 0 < span_ms < MINUTES * 60_000:
        raise GatectlError(f"--last takes a duration up to {MINUTES - 1}m", 64)
    return span_ms


def looks(
    url: str, gateway: str, names: Sequence[str], span_ms: int, interval: float, count: int
) -> Iterator[list[dict[str, Any]]]:
    """``count`` looks (0: without end), so many seconds apart. Raises GatectlError as :func:`look` does."""
    for number in itertools.count(1):
        yield look(url, gateway, names, span_ms)
        if number == count:
            return
        time.sleep(interval)


def look(url: str, gateway: str, names: Sequence[str], span_ms: int) -> list[dict[str, Any]]:
    """Callers with most refusals first: of the running minute, and of so many before it as the span begins.

    ``names``: by these limits only, if there are any. Raises GatectlError (5) when Redis cannot be used.
    """
    keys = minute_keys(gateway)
    with connected(url) as client:
        now = client.time()[0] // 60
        first = now - min(-(-span_ms // 60_000), MINUTES - 1)
        minutes = {
            minute: cast("list[tuple[str, float]]", client.zrange(keys[minute % MINUTES], 0, -1, withscores=True))
            for minute in range(first, now + 1)
        }
    return [
        {
            "limit": one.refused.limit,
            "caller": dict(one.refused.caller),
            "refused": one.times,
            "since": _moment(one.first),
            "last": _moment(one.last),
        }
        for one in seen(minutes, names)
    ]


def _moment(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).isoformat()
