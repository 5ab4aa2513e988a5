"""Overrides of limits for single users in Redis: what ratelimit_svc follows, written here."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, cast

from gatectl.compiler.limits import compile_limits
from gatectl.diagnostics import GatectlError
from gatectl.fields import parse_duration
from gatectl.runtime.redis_connection import connected
from gatectl.spec.load import load
from gatectl.spec.model import allowance
from ratelimit_svc import peek
from ratelimit_svc import policy as limits
from ratelimit_svc.overrides import MAX_RECORDS, Override, Record, Restart, caller, faults, read, redis_key, version_key
from ratelimit_svc.policy import Limit, Rate

_WRITE = """
local gone = tonumber(ARGV[3])
for i = 4, 3 + gone do redis.call('HDEL', KEYS[1], ARGV[i]) end
local added = 0
for i = 4 + gone, #ARGV, 2 do added = added + 1 - redis.call('HEXISTS', KEYS[1], ARGV[i]) end
if redis.call('HLEN', KEYS[1]) + added > tonumber(ARGV[1]) then return -1 end
for i = 4 + gone, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('SET', KEYS[2], ARGV[2])
return added
"""


def known_limits(state_dir: Path, files: Sequence[str]) -> dict[str, Limit]:
    """The limits of a spec, or without files those of the generation in force in ``state_dir``, by name.

    Raises GatectlError (usage) when there is nothing that can be read.
    """
    if files:
        return dict(compile_limits(load(files)[0]).limits)
    try:
        return dict(limits.load((state_dir / "current" / "limits.json").read_bytes()).limits)
    except (OSError, ValueError):
        raise GatectlError(
            f"no limits that can be read are in force in {state_dir}; name the spec: -f gateway.yaml", 64
        ) from None


def by_user(known: Mapping[str, Limit]) -> dict[str, Limit]:
    """The limits that count by user, in order of their names."""
    return {name: limit for name, limit in sorted(known.items()) if "user" in limit.per}


def chosen(known: Mapping[str, Limit], names: Sequence[str]) -> dict[str, Limit]:
    """The named limits, no others. Raises GatectlError (usage) for one that does not count by user."""
    found = by_user(known)
    for name in names:
        if name not in found:
            why = "does not count by user" if name in known else "is not there"
            raise GatectlError(f'limit "{name}" {why}; by user: {", ".join(found) or "none"}', 64)
    return {name: found[name] for name in names}


def override(
    name: str, limit: Limit, user: str, rates: Sequence[str], ends: str | None, reason: str | None
) -> Override:
    """What to hold a user to from now on. Raises GatectlError (usage) when the limit cannot count by it."""
    now = datetime.now(UTC)
    held = _rates(limit, rates)
    wrong = faults(limit, held)
    if wrong:
        raise GatectlError(f'limit "{name}" is a {limit.algorithm}: {wrong[0]}', 64)
    try:
        ends_at = now + timedelta(milliseconds=parse_duration(ends)) if ends is not None else None
    except ValueError:
        raise GatectlError("--for takes a duration, such as 2h", 64) from None
    try:
        return Override(user=user, limit=name, set_at=now, rates=held, ends_at=ends_at, reason=reason)
    except ValueError:
        message = f"a user has a name, --reason up to 256 characters, and a limit up to {limits.MAX_RATES} rates"
        raise GatectlError(message, 64) from None


def restart(name: str, user: str) -> Restart:
    """The user's counters of a limit start over now. Raises GatectlError (usage) for what is no user."""
    try:
        return Restart(user=user, limit=name, set_at=datetime.now(UTC), epoch=uuid.uuid4().hex)
    except ValueError:
        raise GatectlError("a user has a name of up to 512 characters", 64) from None


def _rates(limit: Limit, texts: Sequence[str]) -> tuple[Rate, ...]:
    """What is written as in the spec, as the limit's algorithm counts."""
    try:
        parsed = allowance.parse(texts[0] if len(texts) == 1 else texts)
    except ValueError as error:
        raise GatectlError(f"{', '.join(texts)}: {error}", 64) from None
    at_once = limit.algorithm == "concurrency"
    if any((one.word == allowance.AT_ONCE) != at_once for one in parsed):
        takes = "requests at once, such as '5 at once'" if at_once else "requests in a time, such as 500/minute"
        raise GatectlError(f"the limit is a {limit.algorithm}: it takes {takes}", 64)
    # of requests at once the window is that of the limit: with another one it would be another counter
    own = next((rate for rates in (limit.rates, *limit.plans.values()) for rate in rates), None)
    lease_ms = own.window_ms if own is not None else None
    try:
        return tuple(allowance.rate(one, limit.algorithm, lease_ms) for one in parsed)
    except ValueError:
        raise GatectlError(f"{', '.join(texts)}: such a number cannot be counted", 64) from None


def written(limit: Limit | None, rates: Iterable[Rate]) -> str:
    """Rates as they are written in the spec."""
    algorithm = limit.algorithm if limit is not None else "sliding_window"
    found = allowance.write(tuple(allowance.allowance(rate, algorithm) for rate in rates))
    return found if isinstance(found, str) else ", ".join(found)


def put(url: str, gateway: str, wanted: Sequence[Record], unwanted: Sequence[str] = ()) -> None:
    """Put records into force, take the fields ``unwanted`` away, and forget what has ended.

    Raises GatectlError (5) when Redis cannot be used, as all of these functions do, and when the list is full: of its
    restarts the oldest are forgotten first, which brings the user's counters of before back, as far as they still live.
    """
    there = _records(url, gateway)
    gone = {one.field for one in there if _has_ended(one)} | set(unwanted)
    fields = {one.field for one in wanted}
    restarts = sorted((one for one in there if isinstance(one, Restart)), key=lambda one: one.set_at)
    spare = len({one.field for one in there} - gone | fields) - MAX_RECORDS
    gone |= {one.field for one in restarts[: max(0, spare)]}
    told = [word for one in wanted for word in (one.field, one.model_dump_json())]
    with connected(url) as client:
        arguments = [MAX_RECORDS, uuid.uuid4().hex, len(gone), *sorted(gone), *told]
        added = client.eval(_WRITE, 2, redis_key(gateway), version_key(gateway), *map(str, arguments))
    if cast("int", added) < 0:
        raise GatectlError(f"{MAX_RECORDS} overrides are in force; give these users a plan instead")


def overrides(url: str, gateway: str, user: str | None = None) -> list[Override]:
    """Those in force, of one user or of all, by user and limit."""
    found = (one for one in _records(url, gateway) if isinstance(one, Override) and not _has_ended(one))
    return sorted((one for one in found if user in {None, one.user}), key=lambda one: (one.user, one.limit))


def restarts_of(url: str, gateway: str, user: str) -> dict[str, Restart]:
    """When a user's counters started over last, by limit."""
    return {one.limit: one for one in _records(url, gateway) if isinstance(one, Restart) and one.user == user}


class Held(NamedTuple):
    """What holds for a user of a limit, and why: ``override``, ``plan <name>`` or ``limit``."""

    name: str
    limit: Limit
    rates: Sequence[Rate]
    source: str


def held_to(known: dict[str, Limit], mine: Sequence[Override], plan: str | None) -> list[Held]:
    """By limit: the user's override, else his plan's numbers, else those of everybody."""
    own = {one.limit: one for one in mine}
    found = []
    for name, limit in by_user(known).items():
        one = own.get(name)
        if one is not None and not faults(limit, one.rates):
            found.append(Held(name, limit, one.rates, "override"))
        elif plan is not None and plan in limit.plans:
            found.append(Held(name, limit, limit.plans[plan], f"plan {plan}"))
        else:
            found.append(Held(name, limit, limit.rates, "limit"))
    return found


def left(
    url: str, gateway: str, user: str, plan: str | None, held: Sequence[Held], restarts: Mapping[str, Restart]
) -> dict[str, list[int]]:
    """How many requests of each rate fit now, by limit, where that can be known.

    It cannot of a limit that counts by more than the user, his plan and the gateway: he has many counters then.
    """
    values = {"user": caller(user), "gateway": gateway, **({"plan": plan} if plan is not None else {})}
    found = {}
    with connected(url) as client:
        for name, limit, rates, _ in held:
            if rates and values.keys() >= set(limit.per):
                counted = {dimension: values[dimension] for dimension in limit.per}
                epoch = restarts[name].epoch if name in restarts else ""
                number, *words = peek.words(gateway, name, limit, rates, counted, epoch)
                reply = client.eval(peek.SCRIPT, int(number), *map(str, words))
                found[name] = peek.left(cast("Sequence[object]", reply))
    return found


def _records(url: str, gateway: str) -> list[Record]:
    with connected(url) as client:
        documents = cast("Iterable[str]", client.hvals(redis_key(gateway)))
    found = []
    for document in documents:
        try:
            found.append(read(document))
        except ValueError:
            raise GatectlError(
                f"gateway {gateway} has an override that this version of gatectl cannot read; use the one that wrote it"
            ) from None
    return found


def _has_ended(one: Record) -> bool:
    return isinstance(one, Override) and one.ends_at is not None and one.ends_at <= datetime.now(UTC)
