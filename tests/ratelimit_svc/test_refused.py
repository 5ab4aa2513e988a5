"""Who is being limited, as far as one can know at little cost: counted in each process, gathered in Redis."""

import contextlib
import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.diagnostics import GatectlError
from gatectl.runtime.refusals import look, span
from ratelimit_svc.engine import Decision, Standing, Status
from ratelimit_svc.redis.poll import poll
from ratelimit_svc.redis.refusals import Refusals
from ratelimit_svc.refused import MINUTES, MOST, Refused, Tally, minute_keys, read, seen, write
from ratelimit_svc.rules import Descriptor
from ratelimit_svc.store import StoreUnavailableError, Terms
from tests.ratelimit_svc.test_rules import entries

MINUTE = 60_000
TERMS = Terms("sliding_window", 1, MINUTE)


def status(name: str, *, over: bool = True, enforced: bool = True) -> Status:
    standing = Standing(TERMS, over, 0, 1000)
    return Status(name, enforced, (standing,), standing)


def refusing(*statuses: Status | None) -> Decision:
    return Decision(False, "over_limit", statuses, statuses[0])


def note(refusals: Refusals, user: str, times: int = 1) -> None:
    asked = Descriptor(entries("a", ("user", f"user:{user}"), ("route", "r")), 1)
    for _ in range(times):
        refusals.note(refusing(status("a")), [asked])


def of(user: str, limit: str = "a") -> Refused:
    return Refused(limit, (("user", user), ("route", "r")))


async def test_what_all_processes_refuse_is_seen_together_the_most_refused_first(server, open_store, request):
    gateway, store = request.node.name, await open_store(server.url)
    one, other = Refusals(), Refusals()
    note(one, "alice", 3)
    note(other, "alice", 4)
    note(other, "bob", 2)
    await poll(store, gateway, [one])
    await poll(store, gateway, [other])
    await poll(store, gateway, [one, other])
    found = look(server.url, gateway, (), MINUTE)
    assert [(each["caller"], each["refused"]) for each in found] == [
        ({"user": "alice", "route": "r"}, 7),
        ({"user": "bob", "route": "r"}, 2),
    ]
    assert 0 <= time.time() - datetime.fromisoformat(found[0]["since"]).timestamp() < 120
    assert look(server.url, gateway, ("b",), MINUTE) == []


async def test_a_report_that_got_no_answer_is_made_again(fragile_server, open_store):
    store, refusals = await open_store(fragile_server.url), Refusals()
    fragile_server.kill()
    note(refusals, "alice", 3)
    with pytest.raises(StoreUnavailableError):
        await poll(store, "g", [refusals])
    fragile_server.start()
    note(refusals, "alice", 1)
    another = await open_store(fragile_server.url)
    await poll(another, "g", [refusals])
    assert [each["refused"] for each in look(fragile_server.url, "g", (), MINUTE)] == [4]


async def test_what_is_kept_is_bounded_and_goes_away(server, open_store, request):
    gateway, store = request.node.name, await open_store(server.url)
    for process in range(3):
        refusals = Refusals()
        note(refusals, "often", 2)
        for number in range(MOST + 50):
            note(refusals, f"{process}-{number}")
        await poll(store, gateway, [refusals])
    found = look(server.url, gateway, (), MINUTE)
    assert found[0]["refused"] == 6
    kept = [key for key in minute_keys(gateway) if await server.command("EXISTS", key)]
    for key in kept:
        assert await server.command("ZCARD", key) <= MOST
        assert 0 < await server.command("TTL", key) <= MINUTES * 60


def test_only_limits_that_refuse_count_and_only_what_they_count_by_is_told():
    refusals = Refusals()
    asked = [
        Descriptor(entries(name, ("user", "address:192.0.2.1"), ("api_key", "id"), ("lease", "l")), 1)
        for name in ("refuses", "has-room", "shadow", "not-about-him")
    ]
    statuses = (status("refuses"), status("has-room", over=False), status("shadow", enforced=False), None)
    refusals.note(refusing(*statuses), asked)
    *_, text, times = refusals.command("g")
    assert (read(text), times) == (Refused("refuses", (("address", "192.0.2.1"), ("key_id", "id"))), 1)
    assert len(refusals.command("g")) == 3 + MINUTES + 2


def test_a_process_remembers_so_many_callers_and_counts_the_refusals_of_others_as_lost():
    tally = Tally(2)
    for user in ("a", "b", "c", "a", "c"):
        tally.add(of(user))
    assert (tally.take(), tally.lost) == ({of("a"): 2, of("b"): 1}, 2)
    assert tally.take() == {}


def test_minutes_are_added_up_and_tell_the_first_and_the_last():
    minutes = {
        5: [(write(of("a")), 1.0), (write(of("b")), 9.0), ("nonsense", 5.0), ("[1,2]", 5.0)],
        7: [(write(of("a")), 2.0), (write(of("a", "other")), 1.0)],
    }
    assert seen(minutes) == [(of("b"), 9, 5, 5), (of("a"), 3, 5, 7), (of("a", "other"), 1, 7, 7)]
    assert seen(minutes, ["other"]) == [(of("a", "other"), 1, 7, 7)]


@settings(max_examples=30)
@given(st.text(), st.lists(st.tuples(st.text(), st.text())))
def test_a_caller_is_read_as_he_was_written(limit, caller):
    refused = Refused(limit, tuple(caller))
    assert read(write(refused)) == refused


@settings(max_examples=30)
@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(str))
def test_whatever_else_is_there_is_no_caller(text):
    with contextlib.suppress(ValueError):
        assert isinstance(read(text), Refused)


@pytest.mark.parametrize("text", ["16m", "0s", "soon", ""])
def test_nobody_can_look_further_back_than_is_kept(text):
    with pytest.raises(GatectlError, match="up to 15m"):
        span(text)
    assert span("15m") == 15 * MINUTE
