"""Hundreds of requests, sent to a running gateway and to a rehearsal of its spec: both must do the same."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.callers import Credential
from gatectl.rehearsal.explain import tell
from gatectl.rehearsal.rehearsal import Rehearsal
from gatectl.rehearsal.request import Answer, Request
from gatectl.rehearsal.wire import send
from gatectl.rollout.candidate import read
from tests.e2e.conftest import Gateway, make_gateway
from tests.e2e.odd_requests import everybody, requests

pytestmark = pytest.mark.e2e

REQUESTS, SEED = 400, 20261122
SPEC = Path(__file__).with_name("rehearsal.yaml")


def what_came(answer: Answer, log: dict[str, Any], upstream_got: dict[str, Any] | None) -> dict[str, Any]:
    """What must be the same for both. Counters, ids, times and what the upstream itself answers are not."""
    reached = log["upstream_address"] is not None
    problem = json.loads(answer.body) if answer.body and not reached else {}
    return {
        "reached": reached,
        "status": None if reached else answer.status,
        "problem": {key: value for key, value in problem.items() if key not in {"request_id", "retry_after"}},
        "answered": sorted(
            (name, value)
            for name, value in answer.headers
            if name in {"www-authenticate", "x-from", "x-ratelimit-limit"} or name.startswith("access-control-")
        ),
        "log": {key: log[key] for key in ("client", "path", "route", "reason", "flags", "user", "decision_reason")}
        | {key: log[key] for key in ("auth_method", "rate_limit", "rate_limited_by", "upstream")},
        "got": upstream_got,
    }


def heard(method: str, path: str, headers: Any) -> dict[str, Any]:
    return {
        "method": method,
        "path": path,
        "headers": sorted((name.lower(), value) for name, value in headers if name.lower() != "x-request-id"),
    }


async def send_to(port: int, request: Request) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await send(reader, writer, request)
    finally:
        writer.close()


def access_log(gateway: Gateway, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Lines by request id, once those of all ``ids`` are there: Envoy writes five times a second."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [
            json.loads(line) for line in gateway.log("access.log").splitlines(keepends=True) if line.endswith("\n")
        ]
        found = {line["request_id"]: line for line in lines}
        if ids <= found.keys():
            return found
        time.sleep(0.05)
    raise TimeoutError


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    yield from make_gateway(SPEC)


def test_a_rehearsal_and_the_running_gateway_do_the_same_with_hundreds_of_requests(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATIC_KEY_SHA256", "BACKEND_PORT", "BACKEND_PROGRAM"):
        monkeypatch.setenv(name, gateway.environment[name])
    people = everybody(gateway)
    candidate = read([str(gateway.spec)])
    routes: set[str] = set()
    outcomes: set[str] = set()
    differences = []
    compared = 0

    async def compare() -> None:
        nonlocal compared
        callers = [one.caller for one in people if one.caller is not None]
        asked = []
        for request, someone in requests(random.Random(SEED), people, REQUESTS):
            sent = replace(request, headers=(*request.headers, *someone.headers))
            try:
                asked.append((request, someone, await send_to(gateway.port, sent)))
            except GatectlError:
                continue  # HTTP/1.1 cannot carry it
        ids = {str(answer.header("x-request-id")) for _, _, answer in asked} - {"None"}
        logged = access_log(gateway, ids)
        async with Rehearsal.of(candidate, callers, gateway.state_dir) as rehearsal:
            credentials: dict[int, Credential | None] = {
                id(caller): credential for caller, credential in zip(callers, rehearsal.credentials, strict=True)
            }
            for request, someone, answer in asked:
                as_sent = request if someone.caller else replace(request, headers=(*request.headers, *someone.headers))
                course = await rehearsal.ask(as_sent, credentials.get(id(someone.caller)))
                told = tell(course, candidate)
                log = logged.get(str(answer.header("x-request-id")))
                if log is None:
                    real: dict[str, Any] = {"status": answer.status}
                    rehearsed: dict[str, Any] = {"status": course.answer.status}
                else:
                    echo = json.loads(answer.body) if log["upstream_address"] and answer.body else {}
                    known = "headers" in echo
                    forwarded = course.forwarded
                    got = heard(echo["method"], echo["path"], echo["headers"]) if known else None
                    mine = heard(forwarded.method, forwarded.path, forwarded.headers) if forwarded and known else None
                    real = what_came(answer, log, got)
                    rehearsed = what_came(course.answer, course.log, mine)
                    compared += known
                if real != rehearsed:
                    differences.append((request, someone, real, rehearsed))
                assert told["answer"]["status"] == course.answer.status
                routes.add(told["route"]["name"] if told["route"] else "none")
                outcomes.add("forwarded" if course.forwarded else told["answer"]["reason"])

    asyncio.run(compare())
    assert differences == []
    assert compared > REQUESTS / 10, "too few requests were seen by an upstream"
    assert routes == {route.name for route in candidate.spec.routes} | {"none"}
    assert outcomes >= {
        "forwarded",
        "preflight",
        "credential-missing",
        "credential-duplicated",
        "credentials-ambiguous",
        "key-invalid",
        "token-signature",
        "token-malformed",
        "scheme-unsupported",
        "access-denied",
        "bad-request",
        "content-too-large",
        "not-found",
        "rate-limited",
    }
