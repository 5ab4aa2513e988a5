"""One process: what is counted, what is answered late, what is refused, and what always passes."""

import asyncio
import ipaddress
import json
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from audit.reading import Question, search
from audit.trail import Trail
from audit.writer import Writer
from ext_authz import api_key, engine, reasons, throttle
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import NothingRevoked
from ext_authz.engine import Case, Decision, Taken
from ext_authz.identity import Identity, Outcome, Refusal
from ext_authz.jwks import FileSource
from ext_authz.policy import Policy, Throttling
from ext_authz.reasons import Reason
from ext_authz.server import Authorization
from ext_authz.throttle import ADDRESS, KEY, Throttle, subject_of
from tests.ext_authz.worlds import (
    KEY_SET,
    POLICY,
    PinnedSources,
    bearer,
    check_request,
    claims,
    eventually,
    outcome,
    request,
    without_redis,
)

LIMITS = Throttling(slow_after=3, refuse_after=6, window_ms=60_000, block_ms=300_000, exempt=("198.51.100.0/24",))
RULES = POLICY.model_copy(update={"throttling": LIMITS})
HOLDER = Identity("alice", ("agent",), None, {}, "api_key")
GOOD, KNOWN_BUT_EXPIRED = "good", "expired"


class Judge:
    """Takes whatever is in ``x-api-key``, and counts how often it was asked to look at it."""

    method = "api_key"
    ambient = False

    def __init__(self) -> None:
        self.asked = 0
        self.good = {GOOD}

    def find(self, _: Policy, asked: engine.Request) -> Sequence[str]:
        return (asked.headers["x-api-key"],) if "x-api-key" in asked.headers else ()

    def authenticate(self, _: Policy, __: engine.Request, credential: str, ___: float) -> Outcome:
        self.asked += 1
        if credential in self.good:
            return HOLDER
        if credential == KNOWN_BUT_EXPIRED:
            return Refusal(reasons.KEY_EXPIRED, HOLDER)
        return Refusal(reasons.KEY_STORE_UNAVAILABLE if credential == "redis is away" else reasons.KEY_INVALID)

    def challenge(self, _: Policy, realm: str, __: Reason | None) -> str:
        return f"ApiKey realm={realm}"

    def taken(self, *_: Any, **__: Any) -> Taken:
        return Taken()


class Book:
    """One policy, whatever revision is asked for."""

    def __init__(self, rules: Policy) -> None:
        self._rules = rules

    def get(self, _: str) -> Policy:
        return self._rules


class World:
    """A throttle in front of a judge, and a clock that tests set."""

    def __init__(self, rules: Policy = RULES) -> None:
        self.rules, self.throttle, self.judge, self.now = rules, Throttle(), Judge(), 1000.0

    def ask(self, key: str | None, address: str = "192.0.2.7", route: str = "any") -> Decision:
        asked = request(route, key=key)._replace(address=address)
        case = engine.examine(self.rules, asked, (self.judge,))
        assert isinstance(case, Case)
        refusal = self.throttle.refuse(case, self.now)
        if refusal is not None:
            return refusal
        outcomes = [self.judge.authenticate(self.rules, asked, one.credential, self.now) for one in case.presented]
        return self.throttle.weigh(case, outcomes, engine.decide(case, outcomes), self.now)

    def fail(self, times: int, address: str = "192.0.2.7") -> list[Decision]:
        return [self.ask(f"wrong {number}", address) for number in range(times)]


def told(decision: Decision) -> tuple[int, bool, int | None]:
    return decision.reason.status, decision.delayed, decision.retry_after


def test_failures_are_answered_at_once_then_late_then_not_looked_at() -> None:
    world = World()
    assert [told(one) for one in world.fail(8)] == [
        *[(401, False, None)] * 3,
        *[(401, True, None)] * 3,
        *[(429, False, 300)] * 2,
    ]
    assert world.judge.asked == 6
    refused = world.ask("wrong again")
    assert (refused.reason.code, refused.challenge, refused.allow) == ("too-many-failures", None, False)


def test_another_address_does_not_notice() -> None:
    world = World()
    world.fail(8)
    assert told(world.ask("wrong", "192.0.2.8")) == (401, False, None)
    assert world.ask(GOOD, "192.0.2.8").allow


def test_behind_a_blocked_address_what_was_accepted_before_is_judged_as_ever_and_the_rest_is_not_looked_at() -> None:
    world = World()
    world.judge.good.add("another good one")
    assert world.ask(GOOD, "203.0.113.1").allow  # wherever it was seen
    world.fail(8)
    assert world.ask(GOOD).allow
    assert told(world.ask("another good one")) == (429, False, 300)
    world.judge.good.clear()  # what was accepted once is no licence
    assert [told(world.ask(GOOD)) for _ in range(20)] == [(401, False, None)] * 20


def test_clients_whose_records_were_lost_are_no_attackers_and_come_back_with_the_records() -> None:
    world = World()
    assert world.ask(GOOD).allow
    world.judge.good.clear()  # Redis was emptied
    assert {told(world.ask(GOOD)) for _ in range(20)} == {(401, False, None)}
    assert len(world.throttle.failures[ADDRESS].counts) == 0
    assert world.throttle.take_report() == {}
    world.judge.good.add(GOOD)  # and restored
    assert world.ask(GOOD).allow


@pytest.mark.parametrize(("route", "status"), [("open", 200), ("any", 401)])
def test_a_request_without_a_credential_is_no_attempt(route: str, status: int) -> None:
    world = World()
    assert {told(world.ask(None, route=route)) for _ in range(20)} == {(status, False, None)}
    world.fail(8)
    assert told(world.ask(None, route=route)) == (status, False, None)


@pytest.mark.parametrize("credential", [KNOWN_BUT_EXPIRED, "redis is away", GOOD])
def test_only_guesses_count(credential: str) -> None:
    world = World()
    assert len({told(world.ask(credential)) for _ in range(20)}) == 1
    assert len(world.throttle.failures[ADDRESS].counts) == 0
    assert world.throttle.take_report() == {}


def test_a_block_ends_by_itself_and_counting_begins_anew() -> None:
    world = World()
    world.fail(6)
    world.now += 299.5
    assert told(world.ask("wrong")) == (429, False, 1)
    world.now += 1
    assert [told(one)[0] for one in world.fail(7)] == [401] * 6 + [429]


def test_a_window_ends() -> None:
    world = World()
    world.fail(5)
    world.now += 60
    assert [told(one) for one in world.fail(3)] == [(401, False, None)] * 3


def test_guessing_the_secret_of_one_key_is_refused_from_everywhere_and_its_holder_is_never_locked_out() -> None:
    world, key = World(), api_key.mint()[0]
    key_id = key.split("_")[1]
    world.judge.good.add(key)

    def guess(number: int) -> str:
        body = f"gk_{key_id}_{str(number) * 50}"
        return f"{body}_{zlib.crc32(body.encode()):08x}"

    decisions = [world.ask(guess(number), f"203.0.113.{number}") for number in range(9)]
    assert [one.challenge is None for one in decisions] == [False] * 6 + [True] * 3
    assert [told(one) for one in decisions] == [
        *[(401, False, None)] * 3,
        *[(401, True, None)] * 3,
        *[(429, False, 300)] * 3,
    ]
    assert world.ask(key, "203.0.113.99").allow  # an address and a process that never saw the key
    assert world.ask(key, "203.0.113.1").allow
    assert list(world.throttle.failures[KEY].blocks) == [key_id]
    assert not world.throttle.failures[ADDRESS].blocks


@pytest.mark.parametrize("address", ["198.51.100.7", "::ffff:198.51.100.7", "unknown", "", "not an address"])
def test_exempt_and_unknown_addresses_are_not_counted(address: str) -> None:
    world = World()
    assert {told(one) for one in world.fail(20, address)} == {(401, False, None)}


def test_the_addresses_of_one_ipv6_customer_are_one() -> None:
    world = World()
    for number in range(6):
        world.ask("wrong", f"2001:db8:0:1::{number:x}")
    assert told(world.ask("wrong", "2001:db8:0:1:ffff::1"))[0] == 429
    assert told(world.ask("wrong", "2001:db8:0:2::1"))[0] == 401


def test_a_policy_without_throttling_throttles_nothing() -> None:
    world = World(POLICY)
    assert {told(one) for one in world.fail(20)} == {(401, False, None)}


@settings(max_examples=50)
@given(st.one_of(st.ip_addresses().map(str), st.text()))
def test_any_address_has_one_subject_or_none(address: str) -> None:
    subject = subject_of(address, ("10.0.0.0/8", "fc00::/7"))
    if subject is not None:
        assert ipaddress.ip_address(address.partition("%")[0]) is not None
        assert ipaddress.ip_network(subject).num_addresses in {1, 1 << 64}


def test_rotating_addresses_keys_and_credentials_fill_tables_of_a_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTED_CAPACITY", "BLOCKED_CAPACITY", "REPORT_CAPACITY"):
        monkeypatch.setattr(throttle, name, 100)
    world = World()
    victim = "192.0.2.99"
    for number in range(150):
        world.fail(6, f"2001:db8:0:{number:x}::1")
    world.fail(6, victim)
    for number in range(1000):
        world.ask(api_key.mint()[0], f"2001:db8:1:{number:x}::{number:x}")
    tables = world.throttle.failures
    assert [len(tables[kind].counts) for kind in (ADDRESS, KEY)] == [100, 100]
    assert len(tables[ADDRESS].blocks) == 100
    assert len(world.throttle.report) <= 200
    assert told(world.ask("wrong", victim))[0] == 429  # what is only counted pushes no block out


def test_blocks_without_end_fill_a_report_of_a_fixed_size_also_while_nobody_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "REPORT_CAPACITY", 100)
    world = World(POLICY.model_copy(update={"throttling": LIMITS.model_copy(update={"refuse_after": 1})}))
    for number in range(1000):
        world.ask("wrong", f"2001:db8:0:{number:x}::1")
        if number % 50 == 0:
            world.throttle.give_back(world.throttle.take_report())
    assert len(world.throttle.report) == 200


def test_a_client_certificate_is_no_guess_and_passes_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.fail(8)
    monkeypatch.setattr(world.judge, "ambient", True, raising=False)
    assert told(world.ask("of an unknown client"))[0] == 401
    assert world.ask(GOOD).allow
    assert len(world.throttle.failures[ADDRESS].counts) == 0


async def test_only_so_many_answers_are_held_back_and_then_there_is_429_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "DELAYED_CAPACITY", 2)
    monkeypatch.setattr(throttle, "DELAY_SECONDS", 0.05)
    rules = RULES.model_copy(update={"throttling": LIMITS.model_copy(update={"slow_after": 1, "refuse_after": 99})})

    book: Any = Book(rules)
    held = Throttle()
    service = Authorization(book, (Judge(),), throttle=held)
    await service.check(check_request(request("any", key="wrong")))
    waiting = [asyncio.create_task(service.check(check_request(request("any", key="wrong")))) for _ in range(2)]
    await eventually(lambda: held.delayed == 2)
    crowd = await asyncio.wait_for(service.check(check_request(request("any", key="wrong"))), 0.04)
    assert b"too-many-failures" in crowd
    assert not any(task.done() for task in waiting)
    assert all(b"key-invalid" in answer for answer in await asyncio.gather(*waiting))
    assert held.delayed == 0


async def test_a_flood_of_tokens_signed_with_unknown_keys_ends_before_the_issuer_is_asked(tmp_path: Path) -> None:
    class Source(FileSource):
        renewed = 0

        async def renew(self) -> bool:
            self.renewed += 1
            return True

    (tmp_path / "jwks.json").write_bytes(KEY_SET)
    source = Source(tmp_path / "jwks.json")
    sources: Any = PinnedSources(source)
    book: Any = Book(RULES.model_copy(update={"throttling": LIMITS.model_copy(update={"slow_after": 6})}))
    service = Authorization(book, (JwtAuthenticator(sources, NothingRevoked()),), throttle=Throttle())
    token = bearer(claims(iat=time.time(), exp=time.time() + 60))
    assert await status(service, request("any", authorization=token)) == 200
    answers = [
        await status(service, with_header(request("any", authorization=bearer(kid=f"k{number}")), number))
        for number in range(30)
    ]
    assert answers == [401] * LIMITS.refuse_after + [429] * (30 - LIMITS.refuse_after)
    assert source.renewed == LIMITS.refuse_after
    assert await status(service, request("any", authorization=token)) == 200  # verified before


def with_header(asked: engine.Request, number: int) -> engine.Request:
    """A client may write any address into a header: what counts is what Envoy says."""
    return asked._replace(headers={**asked.headers, "x-forwarded-for": f"198.51.100.{number}"})


async def status(service: Authorization, asked: engine.Request) -> int:
    response = external_auth_pb2.CheckResponse.FromString(await service.check(check_request(asked)))
    return response.denied_response.status.code or 200


async def test_a_refusal_says_when_to_come_back_and_is_counted(tmp_path: Path) -> None:
    def counted(stage: str) -> float:
        return REGISTRY.get_sample_value("ext_authz_throttled_total", {"stage": stage}) or 0

    book: Any = Book(RULES.model_copy(update={"throttling": LIMITS.model_copy(update={"slow_after": 6})}))
    trail = Trail(Writer(tmp_path, "ext_authz"), lambda _: None)
    service = Authorization(book, (Judge(),), throttle=Throttle(), trail=trail)
    before = counted("address")
    for _ in range(LIMITS.refuse_after):
        await service.check(check_request(request("any", key="wrong")))
    answer = await service.check(check_request(request("any", key="wrong")))
    denied = external_auth_pb2.CheckResponse.FromString(answer).denied_response
    headers = {one.header.key: one.header.value for one in denied.headers}
    assert (denied.status.code, headers["content-type"]) == (429, "application/problem+json")
    assert 299 <= int(headers["retry-after"]) <= 300
    assert "www-authenticate" not in headers
    assert json.loads(denied.body)["type"] == "urn:gatectl:error:too-many-failures"
    assert counted("address") == before + 1
    trail.close()
    assert [(line["reason"], line["status"], line["address"]) for line in search(tmp_path, Question())][-1] == (
        "too-many-failures",
        429,
        "192.0.2.7",
    )


async def test_one_token_in_many_spellings_makes_nobody_elses_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "ACCEPTED_CAPACITY", 2)
    authenticators, table = without_redis(tmp_path), Throttle()
    neighbour, insider = bearer(), bearer(claims(sub="mallory"))
    spellings = [
        insider,
        insider.replace("Bearer", "bearer"),
        insider.replace(" ", "  "),
        insider.replace(" ", " " * 99),
    ]
    for authorization in (neighbour, *spellings):
        case = engine.examine(RULES, request(authorization=authorization), authenticators)
        assert isinstance(case, Case)
        outcomes = [await outcome(one.authenticator, RULES, one.credential) for one in case.presented]
        assert table.weigh(case, outcomes, engine.decide(case, outcomes), 0).allow
    table.failures[ADDRESS].block(str(subject_of(request().address, ())), 60)
    case = engine.examine(RULES, request(authorization=neighbour), authenticators)
    assert isinstance(case, Case)
    assert table.refuse(case, 0) is None
