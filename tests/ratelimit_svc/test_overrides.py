"""Other numbers for one user, and counters that start over, while everything runs."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.runtime import overrides as written
from ratelimit_svc.denied import Denied, DeniedFirst
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.overrides import MAX_RECORDS, Override, Overrides, Restart, faults, read
from ratelimit_svc.policy import Limit, Rate
from ratelimit_svc.redis.overrides import FollowedOverrides
from ratelimit_svc.redis.poll import POLL_SECONDS, poll
from ratelimit_svc.rules import Descriptor, ask_of
from ratelimit_svc.store import StoreUnavailableError
from tests.ratelimit_svc.conftest import a_limit
from tests.ratelimit_svc.test_rules import MINUTE, Loaded, entries, policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
LIMIT = Limit(
    per=("user",), rates=(Rate(requests=2, window_ms=MINUTE),), plans={"pro": (Rate(requests=5, window_ms=MINUTE),)}
)


def override(*requests: int, user: str = "alice", limit: str = "a", ends_at: datetime | None = None) -> Override:
    rates = tuple(Rate(requests=each, window_ms=MINUTE * (1 + index)) for index, each in enumerate(requests))
    return Override(user=user, limit=limit, set_at=NOW, rates=rates, ends_at=ends_at)


def restart(epoch: str, user: str = "alice") -> Restart:
    return Restart(user=user, limit="a", set_at=NOW, epoch=epoch)


class At:
    """A table of overrides at a time."""

    def __init__(self, *records, now_ms=NOW_MS):
        self.table, self.now_ms = Overrides(records), now_ms

    def rates(self, name, limit, caller):
        return self.table.rates(name, limit, caller, self.now_ms)

    def epoch(self, name, caller):
        return self.table.epoch(name, caller)


def allowed(exceptions, user="user:alice", plan="free", limit=LIMIT):
    asked = Descriptor(entries("a", ("user", user), *([("plan", plan)] if limit.plans else [])), 1)
    counters = ask_of("g", asked, Loaded(policy(a=limit)), exceptions).counters
    return [counter.terms.requests for counter in counters]


@pytest.mark.parametrize(
    ("records", "plan", "expected"),
    [
        ((), "free", [2]),
        ((), "pro", [5]),
        ((override(9),), "free", [9]),
        ((override(1),), "pro", [1]),
        ((override(0),), "pro", [0]),
        ((override(9, 99),), "free", [9, 99]),
        ((override(),), "pro", []),
        ((override(9, user="bob"),), "pro", [5]),
        ((override(9, limit="b"),), "pro", [5]),
        ((override(9, ends_at=NOW + timedelta(milliseconds=1)),), "pro", [9]),
        ((override(9, ends_at=NOW),), "pro", [5]),
    ],
)
def test_an_override_goes_before_the_plan_and_the_plan_before_the_limit(records, plan, expected):
    assert allowed(At(*records), plan=plan) == expected


@pytest.mark.parametrize("user", ["address:192.0.2.1", "alice", "user:bob", "user:"])
def test_nobody_else_has_an_override(user):
    assert allowed(At(override(9)), user=user) == [2]


def test_an_override_that_the_limit_can_no_longer_count_by_is_none():
    month = Rate(requests=7, window_ms=1, period="month")
    quota = Limit(per=("user",), algorithm="quota", rates=(month,))
    assert allowed(At(override(9)), limit=quota) == [7]
    assert faults(quota, override(9).rates)
    assert faults(a_limit(1, MINUTE, per=("route",)), ()) == ["the limit does not count by user"]
    twice = (Rate(requests=1, window_ms=MINUTE), Rate(requests=2, window_ms=MINUTE))
    assert faults(LIMIT, twice) == ["two rates have the same window"]


def test_a_restart_gives_one_user_other_counters_and_nobody_else():
    def key(exceptions, user):
        asked = Descriptor(entries("a", ("user", user), ("plan", "free")), 1)
        return ask_of("g", asked, Loaded(policy(a=LIMIT)), exceptions).counters[0].key

    plain, once, again = At(), At(restart("1")), At(restart("2"))
    assert len({key(each, "user:alice") for each in (plain, once, again)}) == 3
    assert len({key(each, "user:bob") for each in (plain, once, again)}) == 1


@pytest.mark.parametrize("document", ["", "{}", '{"kind": "nonsense"}', override(1).model_dump_json()[:-1] + ',"x":1}'])
def test_a_record_that_is_none_is_refused(document):
    with pytest.raises(ValueError, match="validation error"):
        read(document)


class Process:
    """One process of the service: its copy of the overrides, its memory of refusals, its limiter."""

    def __init__(self, store, gateway):
        self.store, self.gateway, self.exceptions = store, gateway, FollowedOverrides()
        denied = DeniedFirst(store, Denied(100, lambda: time.monotonic_ns() // 1_000_000))
        fallback = Fallback(LocalStore(100), 100, lambda: 1)
        self.limiter = Limiter(Loaded(policy(gateway=gateway, a=LIMIT)), denied, fallback, None, self.exceptions)

    async def look(self):
        await poll(self.store, self.gateway, [self.exceptions])

    async def admits(self):
        asked = Descriptor(entries("a", ("user", "user:alice"), ("plan", "free")), 1)
        return (await self.limiter.decide(self.gateway, [asked])).allowed


@pytest.fixture
async def processes(server, open_store, request):
    return [Process(await open_store(server.url), request.node.name) for _ in range(2)]


def put(server, process, *records, unwanted=()):
    written.put(server.url, process.gateway, records, unwanted)


async def in_turn(one, other):
    """Whether four requests are let in, which two processes get in turn."""
    return [await process.admits() for process in (one, other, one, other)]


async def test_an_override_and_a_restart_hold_in_every_process_after_its_next_look(server, processes):
    one, other = processes
    for each in processes:
        await each.look()
    assert await in_turn(one, other) == [True, True, False, False]
    raised = written.override("a", LIMIT, "alice", ["4/minute"], "1h", "a test")
    put(server, one, raised)
    for each in processes:
        await each.look()
    assert await in_turn(one, other) == [True, True, False, False]
    held = written.held_to({"a": LIMIT}, [raised], None)
    assert written.left(server.url, one.gateway, "alice", None, held, {}) == {"a": [0]}
    put(server, one, written.restart("a", "alice"), unwanted=[raised.field])
    restarts = written.restarts_of(server.url, one.gateway, "alice")
    held = written.held_to({"a": LIMIT}, [], "pro")
    assert written.left(server.url, one.gateway, "alice", "pro", held, restarts) == {"a": [5]}
    for each in processes:
        await each.look()
    assert await in_turn(one, other) == [True, True, False, False]
    assert written.overrides(server.url, one.gateway) == []
    assert set(written.restarts_of(server.url, one.gateway, "alice")) == {"a"}
    assert 2 * POLL_SECONDS <= 1, "it is promised within a second"


async def test_only_a_change_is_read(server, processes):
    one = processes[0]
    put(server, one, override(7))
    await one.look()
    table = one.exceptions._table
    await one.look()
    assert one.exceptions._table is table
    assert one.exceptions.rates("a", LIMIT, "user:alice") == override(7).rates
    put(server, one, override(8))
    await one.look()
    assert one.exceptions.rates("a", LIMIT, "user:alice") == override(8).rates


@pytest.mark.parametrize("trouble", ["lost", "unreadable", "too many"])
async def test_the_last_copy_holds_when_the_list_is_lost_or_cannot_be_read(server, processes, trouble):
    one, key, version = processes[0], written.redis_key(processes[0].gateway), written.version_key(processes[0].gateway)
    put(server, one, override(7))
    await one.look()
    if trouble == "lost":
        await server.command("DEL", key, version)
    elif trouble == "unreadable":
        await server.command("HSET", key, "x", "{}")
        await server.command("SET", version, "other")
    else:
        others = [override(6), *(override(9, user=f"u{number}") for number in range(MAX_RECORDS))]
        await server.command("HSET", key, *[word for one in others for word in (one.field, one.model_dump_json())])
        await server.command("SET", version, "other")
    await one.look()
    assert one.exceptions.rates("a", LIMIT, "user:alice") == override(7).rates
    await server.command("DEL", key)
    put(server, one, override(8))
    await one.look()
    assert one.exceptions.rates("a", LIMIT, "user:alice") == override(8).rates


async def test_the_last_copy_holds_while_redis_is_away(fragile_server, open_store):
    one = Process(await open_store(fragile_server.url), "g")
    put(fragile_server, one, override(7))
    await one.look()
    fragile_server.kill()
    with pytest.raises(StoreUnavailableError):
        await one.look()
    assert one.exceptions.rates("a", LIMIT, "user:alice") == override(7).rates
    assert [await one.admits() for _ in range(8)] == [True] * 7 + [False]


async def test_another_gateway_has_other_overrides(server, processes):
    one = processes[0]
    put(server, one, override(7))
    await one.look()
    one.gateway = f"{one.gateway}-other"
    await one.look()
    assert one.exceptions.rates("a", LIMIT, "user:alice") is None


async def test_a_full_list_takes_no_more_overrides_forgets_what_has_ended_and_the_oldest_restart(server, processes):
    one = processes[0]
    users = [override(7, user=f"u{n}") for n in range(MAX_RECORDS - 2)]
    ended = override(7, user="gone", ends_at=NOW)
    put(server, one, *users, ended, restart("1"))
    put(server, one, override(7, user="new"))  # instead of the one that has ended
    put(server, one, override(7, user="newer"))  # instead of the restart
    assert written.restarts_of(server.url, one.gateway, "alice") == {}
    with pytest.raises(GatectlError, match=f"{MAX_RECORDS} overrides are in force"):
        put(server, one, override(7, user="newest"))
    put(server, one, override(8, user="newer"))
    started = time.process_time()
    await one.look()
    assert time.process_time() - started < 0.1, "requests wait for it"
    assert one.exceptions.rates("a", LIMIT, "user:newer") == override(8).rates


CONCURRENCY = Limit(per=("user",), algorithm="concurrency", rates=(Rate(requests=2, window_ms=1234),))
BUCKET = a_limit(5, MINUTE, algorithm="token_bucket")
QUOTA = Limit(per=("user",), algorithm="quota", rates=(Rate(requests=2, window_ms=1, period="day"),))


@pytest.mark.parametrize(
    ("limit", "rates"),
    [
        (LIMIT, ["500/minute"]),
        (LIMIT, ["9/second", "50/90s"]),
        (LIMIT, ["0/minute"]),
        (LIMIT, ["unlimited"]),
        (CONCURRENCY, ["5 at once"]),
        (BUCKET, ["5/second burst 20"]),
        (QUOTA, ["1000/month"]),
        (QUOTA, ["10/day", "30/week"]),
    ],
)
def test_rates_are_written_as_they_are_read(limit, rates):
    made = written.override("a", limit, "alice", rates, None, None)
    assert written.written(limit, made.rates) == ", ".join(rates)
    assert limit is not CONCURRENCY or made.rates[0].window_ms == 1234


@pytest.mark.parametrize(
    ("limit", "rates"),
    [
        (LIMIT, ["5"]),
        (LIMIT, ["5 at once"]),
        (LIMIT, ["5/minute burst 9"]),
        (LIMIT, ["5/minute", "6/60s"]),
        (LIMIT, ["5/minute", "unlimited"]),
        (LIMIT, [f"5/{n}s" for n in range(1, 10)]),
        (LIMIT, ["99999999999999999/minute"]),
        (CONCURRENCY, ["5/minute"]),
        (CONCURRENCY, ["5 at once", "6 at once"]),
        (CONCURRENCY, ["10001 at once"]),
        (QUOTA, ["5/minute"]),
        (QUOTA, ["5"]),
    ],
)
def test_what_a_limit_cannot_count_by_is_refused(limit, rates):
    with pytest.raises(GatectlError) as refused:
        written.override("a", limit, "alice", rates, None, None)
    assert refused.value.exit_code == 64


BY_PLAN = a_limit(3, MINUTE, per=("user", "plan"))
BY_ROUTE = a_limit(3, MINUTE, per=("user", "route"))
KNOWN = {"a": LIMIT, "by-plan": BY_PLAN, "by-route": BY_ROUTE, "not-by-user": a_limit(1, MINUTE, per=("route",))}


def test_what_holds_for_a_user_says_why():
    mine = [override(9, limit="by-route"), override(9, limit="gone")]
    held = written.held_to(KNOWN, mine, "pro")
    assert [(one.name, one.source, one.rates[0].requests) for one in held] == [
        ("a", "plan pro", 5),
        ("by-plan", "limit", 3),
        ("by-route", "override", 9),
    ]


@pytest.mark.parametrize(("plan", "known"), [(None, {"a"}), ("pro", {"a", "by-plan"})])
async def test_what_is_left_is_told_where_it_can_be_known_and_leaves_nothing(server, request, plan, known):
    held, keys = written.held_to(KNOWN, (), plan), await server.command("DBSIZE")
    assert set(written.left(server.url, request.node.name, "alice", plan, held, {})) == known
    assert await server.command("DBSIZE") == keys


@pytest.mark.parametrize(
    ("names", "wrong"), [(["nobody"], "is not there"), (["a", "not-by-user"], "does not count by user")]
)
def test_only_a_limit_that_counts_by_user_can_be_overridden(names, wrong):
    with pytest.raises(GatectlError, match=wrong):
        written.chosen(KNOWN, names)
