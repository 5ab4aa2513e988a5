"""What a limit lets through, as it is written: ``100/minute burst 20``, ``5 at once``, ``unlimited``, or a list."""

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from gatectl.fields import parse_duration, write_duration
from ratelimit_svc.policy import MAX_RATES, Algorithm, Period, Rate

UNLIMITED = "unlimited"
AT_ONCE = "at once"
_WORDS = {
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 31 * 86_400_000,
}
"""Length of a window by its word; that of a month is nominal."""
_ONE = re.compile(
    rf"([0-9]{{1,16}})(?: ({AT_ONCE})|/(?:({'|'.join(_WORDS)})|([0-9]{{1,15}}(?:\.[0-9]{{1,9}})?(?:ms|s|m|h|d)))"
    r"(?: burst ([0-9]{1,16}))?)"
)
_PERIODS: dict[str, Period] = {"day": "day", "week": "week", "month": "month"}
LEASE_MS = 300_000
"""How long a request counts among those at once at the longest, unless the limit says it."""
_MOST = 2**53


class Allowance(NamedTuple):
    """``requests`` per ``window_ms`` milliseconds, ``burst`` of them at once; or ``requests`` at a time.

    ``word`` is how the window was written: ``month``, ``at once``; None for a duration.
    """

    requests: int
    window_ms: int
    word: str | None = None
    burst: int | None = None


Allowances = tuple[Allowance, ...]
"""All hold together; none at all: unlimited."""


def parse(value: Any) -> Allowances:
    """One allowance, ``unlimited``, or a list of allowances."""
    if value == UNLIMITED:
        return ()
    if not isinstance(value, list | tuple):
        return (_parse_one(value),)
    if not 1 <= len(value) <= MAX_RATES:
        raise PydanticCustomError("malformed", f"a list of 1 to {MAX_RATES} rates is needed")
    return tuple(map(_parse_one, value))


def _parse_one(value: Any) -> Allowance:
    match = _ONE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > _MOST or not 1 <= int(match[5] or 1) <= _MOST:
        raise PydanticCustomError(
            "unreadable",
            "{what}, such as {example}",
            {
                "what": "not a rate: requests per second, minute, hour, day, week, month or duration",
                "example": "100/minute, 50/90s, 100/minute burst 20, 5 at once or unlimited",
            },
        )
    if match[2]:
        return Allowance(int(match[1]), 0, AT_ONCE)
    window_ms = _WORDS[match[3]] if match[3] else parse_duration(match[4])
    return Allowance(int(match[1]), window_ms, match[3], int(match[5]) if match[5] else None)


def rate(one: Allowance, algorithm: Algorithm, lease_ms: int | None) -> Rate:
    """An allowance as the limiter counts it: of a quota the word is a calendar period, of requests at once the window
    is the longest that one may count.
    """
    window_ms = lease_ms or LEASE_MS if one.word == AT_ONCE else one.window_ms
    period = _PERIODS.get(one.word or "") if algorithm == "quota" else None
    return Rate(requests=one.requests, window_ms=window_ms, burst=one.burst, period=period)


def allowance(held: Rate, algorithm: Algorithm) -> Allowance:
    """What :func:`rate` made a rate of."""
    if algorithm == "concurrency":
        return Allowance(held.requests, 0, AT_ONCE)
    words = {window_ms: word for word, window_ms in _WORDS.items()}
    return Allowance(held.requests, held.window_ms, held.period or words.get(held.window_ms), held.burst)


def write(allowances: Allowances) -> str | list[str]:
    """What :func:`parse` reads as ``allowances``."""
    if not allowances:
        return UNLIMITED
    written = [_write_one(one) for one in allowances]
    return written[0] if len(written) == 1 else written


def _write_one(one: Allowance) -> str:
    if one.word == AT_ONCE:
        return f"{one.requests} {AT_ONCE}"
    burst = f" burst {one.burst}" if one.burst is not None else ""
    return f"{one.requests}/{one.word or write_duration(one.window_ms)}{burst}"


_TEXT = {"type": "string", "pattern": f"^({_ONE.pattern}|{UNLIMITED})$", "examples": ["100/minute", "5 at once"]}
AllowancesField = Annotated[
    Allowances,
    BeforeValidator(parse),
    PlainSerializer(write, when_used="json"),
    WithJsonSchema(
        {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": MAX_RATES, "items": _TEXT}]},
    ),
]
