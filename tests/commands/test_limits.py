"""gatectl limits: what its user sees, and what the audit trail keeps of it."""

import json
from collections.abc import Iterator

import pytest

from ratelimit_svc.redis.exchange import connect
from ratelimit_svc.redis.refusals import Refusals
from serving.redis_location import parse
from tests.commands.desk import Desk, Ran
from tests.ratelimit_svc.conftest import Server, running_server
from tests.ratelimit_svc.test_refused import note

LIMITS = [
    {"name": "per-user", "per": ["user"], "limit": "100/minute"},
    {"name": "by-route", "per": ["user", "route"], "limit": "9/second"},
]


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    yield from running_server("valkey")


def limits(desk: Desk, redis: Server, *words: str) -> Ran:
    desk.write(rate_limits=LIMITS)
    ran = desk.run("limits", *words, "-f", "gateway.yaml", "--redis-url", redis.url)
    assert ran.code == 0, ran.err
    return ran


def test_an_override_is_set_shown_listed_and_taken_away(desk: Desk, redis: Server) -> None:
    said = limits(desk, redis, "set", "alice", "5/second", "50/minute", "--limit", "per-user", "--reason", "too much")
    assert said.out == "alice has 5/second, 50/minute of per-user, within one second\n"
    [line] = [line for line in limits(desk, redis, "list").out.splitlines() if line.startswith("alice")]
    assert "per-user  5/second, 50/minute" in line
    assert line.rstrip().endswith("too much")
    by_route, per_user = limits(desk, redis, "show", "alice", "-o", "json").data["limits"]
    assert (per_user["rates"], per_user["from"], per_user["left"]) == ("5/second, 50/minute", "override", [5, 50])
    assert (by_route["rates"], by_route["from"], by_route["left"]) == ("9/second", "limit", None)
    shown = limits(desk, redis, "show", "alice").out
    assert "per-user  user        5/second, 50/minute  5 50  override" in shown
    gone = limits(desk, redis, "reset", "alice", "--limit", "per-user", "--counters", "-o", "json").data
    assert gone == {"user": "alice", "overrides": ["per-user"], "counters": ["per-user"]}
    assert limits(desk, redis, "list", "-o", "json").data == []
    again = limits(desk, redis, "reset", "alice", "--counters", "-o", "json").data
    assert again == {"user": "alice", "overrides": [], "counters": ["by-route", "per-user"]}
    assert limits(desk, redis, "show", "alice", "-o", "json").data["limits"][1]["counted_since"] is not None


def test_what_was_done_is_in_the_audit_trail(desk: Desk, redis: Server) -> None:
    limits(desk, redis, "set", "bob", "unlimited", "--limit", "per-user", "--for", "2h", "--reason", "moves")
    limits(desk, redis, "reset", "bob")
    lines = (desk.state / "audit" / "gatectl.jsonl").read_text().splitlines()
    made, gone = (json.loads(line) for line in lines)
    assert (made["event"], made["user"], made["limits"]) == ("limits.set", "bob", ["per-user"])
    assert (made["rates"], made["reason"], made["outcome"]) == ("unlimited", "moves", "done")
    assert made["ends_at"]
    assert (gone["event"], gone["user"], gone["overrides"]) == ("limits.reset", "bob", ["per-user"])


async def test_who_is_refused_is_shown_with_what_he_is_counted_by(desk: Desk, redis: Server) -> None:
    assert limits(desk, redis, "top").out == "nobody was refused\n"
    refusals, exchange = Refusals(), connect(parse(redis.url))
    note(refusals, "[red]carol", 3)
    await exchange([refusals.command("shop")])
    await exchange.close()
    head, line = limits(desk, redis, "top").out.splitlines()
    assert head.split() == ["LIMIT", "WHO", "REFUSED", "SINCE", "LAST"]
    assert line.split()[:4] == ["a", "user=[red]carol", "route=r", "3"]
    watched = limits(desk, redis, "top", "--watch", "--count", "2", "--interval", "0.1", "-o", "json").out
    assert [json.loads(line)[0]["refused"] for line in watched.splitlines()] == [3, 3]
    assert limits(desk, redis, "top", "--limit", "b", "-o", "json").data == []


def test_explain_holds_a_user_to_his_overrides_when_it_is_told_to_read_them(desk: Desk, redis: Server) -> None:
    limits(desk, redis, "set", "dan", "5/minute", "--limit", "per-user")
    limits(desk, redis, "set", "dan", "unlimited", "--limit", "by-route")
    asked = ("explain", "/1", "--user", "dan", "-o", "json")
    ran = [desk.run(*asked), desk.run(*asked, "--overrides", "--redis-url", redis.url)]
    assert [one.data["overrides"] for one in ran] == ["not-read", "held-to"]
    found = [[(one["limit"], one["from"], one["why"]) for one in each.data["limits"]] for each in ran]
    assert found == [
        [("100/minute", "limit", "100 requests per minute"), ("9/second", "limit", "9 requests per second")],
        [("5/minute", "override", "5 requests per minute"), ("unlimited", "override", "is unlimited by an override")],
    ]
    assert ran[1].data["limits"][0]["remaining"] == 4
    assert limits(desk, redis, "show", "dan", "-o", "json").data["limits"][1]["left"] == [5]


def test_explain_says_where_overrides_would_be_when_no_gateway_runs(desk: Desk) -> None:
    desk.write(rate_limits=LIMITS)
    ran = desk.run("explain", "/1", "--overrides")
    assert (ran.code, "or give --redis-url" in ran.err) == (5, True)
