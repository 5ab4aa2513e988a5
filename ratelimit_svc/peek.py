"""What is left of a limit for a caller: the question that gatectl asks Redis. It charges nothing."""

from collections.abc import Mapping, Sequence

from ratelimit_svc import rules
from ratelimit_svc.keys import counter_keys
from ratelimit_svc.policy import Limit, Rate
from ratelimit_svc.redis import script
from ratelimit_svc.store import Charge

SCRIPT = script.TEXT


def words(
    gateway: str, name: str, limit: Limit, rates: Sequence[Rate], counted: Mapping[str, str], epoch: str
) -> list[str | int]:
    """The number of keys, the keys and the arguments of ``SCRIPT``. ``counted``: a value for each of ``limit.per``."""
    keys = counter_keys(gateway, name, limit.algorithm, rates, counted, epoch)
    charges = [Charge(key, rules.terms(limit, rate), 0, "take") for key, rate in zip(keys, rates, strict=True)]
    return list(script.command(charges)[2:])


def left(reply: Sequence[object]) -> list[int]:
    """What ``SCRIPT`` answered: the hits that fit now, rate by rate, at least 0."""
    return [max(0, reading.room) for reading in script.verdict(reply).readings]
