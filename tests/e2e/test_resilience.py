"""What clients get while something is broken, and that it heals."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis

from tests.e2e.conftest import Gateway, at_once, is_problem

pytestmark = pytest.mark.e2e


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def pids_of(gateway: Gateway, word: str) -> list[int]:
    return [pid for pid, command in gateway.pids().items() if word in command and "launch" not in command]


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Frozen, as a process is that waits for a broken disk: connections stay open, nothing answers."""
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def status(gateway: Gateway, path: str, user: str | None = None) -> int:
    return gateway.get(path, user).status_code


def test_a_circuit_breaker_opens_after_five_failures_and_closes_again(gateway: Gateway) -> None:
    assert [status(gateway, "/fragile/status/500") for _ in range(5)] == [500] * 5
    until(lambda: status(gateway, "/fragile/status/200") == 503)
    opened = gateway.get("/fragile/status/200")
    assert is_problem(opened)
    until(lambda: status(gateway, "/fragile/status/200") == 200)


def test_a_failed_request_is_tried_again_where_the_upstream_says_so(gateway: Gateway) -> None:
    assert status(gateway, "/retried/fail-next/2") < 300
    assert status(gateway, "/retried/flaky") == 200


def test_an_unhealthy_endpoint_gets_no_requests(gateway: Gateway) -> None:
    until(lambda: {status(gateway, "/two-sided") for _ in range(10)} == {404})  # the backend's own answer


def test_an_upstream_is_found_by_its_name(gateway: Gateway) -> None:
    until(lambda: status(gateway, "/named/status/200") == 200)


def test_more_requests_at_once_than_the_breaker_allows_are_refused_at_once(gateway: Gateway) -> None:
    with gateway.client() as client, ThreadPoolExecutor(max_workers=12) as pool:
        statuses = list(pool.map(lambda _: client.get("/busy/delay/400").status_code, range(12)))
    assert set(statuses) == {200, 503}
    assert statuses.count(200) <= 3
    assert status(gateway, "/busy/delay/1") == 200


def test_an_upstream_that_is_down_is_a_503_problem(gateway: Gateway) -> None:
    response = gateway.get("/nobody")
    assert response.status_code == 503
    assert is_problem(response)


def test_a_frozen_ext_authz_closes_the_gateway_and_it_opens_again(gateway: Gateway) -> None:
    with stopped(pids_of(gateway, "ext_authz")):
        response = gateway.get("/healthz")
        assert response.status_code == 503
        assert is_problem(response)
    until(lambda: status(gateway, "/healthz") == 200)


def test_a_killed_ext_authz_never_opens_the_gateway_and_comes_back(gateway: Gateway) -> None:
    killed = pids_of(gateway, "ext_authz")
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    seen: set[int] = set()

    def is_back() -> bool:
        seen.add(status(gateway, "/api/v1/users"))
        return status(gateway, "/api/v1/tickets", "alice") == 200

    until(is_back)
    assert seen <= {401, 503}
    assert not set(killed) & set(pids_of(gateway, "ext_authz"))


def test_a_killed_limiter_lets_requests_pass_when_the_gateway_allows_it_and_comes_back(gateway: Gateway) -> None:
    for pid in pids_of(gateway, "ratelimit_svc"):
        os.kill(pid, signal.SIGKILL)
    assert status(gateway, "/healthz") == 200
    until(lambda: "x-ratelimit-limit" in gateway.get("/healthz").headers)


def test_while_the_limiter_gives_no_answer_an_address_gets_little_through(gateway: Gateway) -> None:
    with stopped(pids_of(gateway, "ratelimit_svc")), ThreadPoolExecutor(max_workers=60) as pool:
        statuses = list(pool.map(lambda _: status(gateway, "/counted"), range(60)))
    assert statuses.count(404) + statuses.count(429) == 60
    assert 20 <= statuses.count(404) <= 45, "20 at once, and 20 more each second"
    until(lambda: "x-ratelimit-limit" in gateway.get("/healthz").headers)


def test_without_redis_known_keys_work_unknown_ones_are_undecided_and_limits_go_on_locally(gateway: Gateway) -> None:
    assert status(gateway, "/api/v1/tickets", "alice") == 200
    with stopped(pids_of(gateway, "valkey-server")):
        until(lambda: status(gateway, "/api/v1/tickets", "alice") == 200)
        assert status(gateway, "/api/v1/tickets", "root") == 503  # not seen yet: nobody can say
        until(lambda: gateway.get("/healthz").headers.get("x-ratelimit-limit") == "100000")
        statuses = [status(gateway, "/counted") for _ in range(60)]
        # its share of 50: the limiter that the test before killed is counted for some seconds more
        assert 10 <= statuses.count(429) <= 35
    until(lambda: status(gateway, "/api/v1/tickets", "root") == 200)


def test_redis_killed_and_restarted_keeps_keys(gateway: Gateway) -> None:
    made = gateway.json("keys", "create", "dora", "--role", "agent")
    killed = pids_of(gateway, "valkey-server")
    with redis.Redis.from_url(gateway.running()["redis_url"]) as client:  # it promises to keep what is on disk
        client.set("written", "after the key")
        assert client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    headers = {"x-api-key": made["key"]}
    until(lambda: gateway.get("/api/v1/tickets", headers=headers).status_code == 200)


def test_a_killed_envoy_comes_back_on_the_same_revision(gateway: Gateway) -> None:
    before = gateway.json("status")["revision"]
    os.kill(pids_of(gateway, "envoy/_bin/envoy")[0], signal.SIGKILL)

    def is_healthy() -> bool:
        result = gateway.gatectl("status", "-o", "json", check=False)
        return result.returncode == 0 and before in result.stdout

    until(is_healthy)
    assert status(gateway, "/api/v1/tickets", "alice") == 200


def test_a_limiter_that_dies_while_a_stream_is_under_way_costs_that_stream_nothing(gateway: Gateway) -> None:
    with ThreadPoolExecutor(max_workers=1) as pool:
        slow = pool.submit(gateway.get, "/at-once/delay/1500", "bob")
        until(lambda: at_once(gateway, "bob") == [0])  # the stream holds its lease
        envoy, limiters = pids_of(gateway, "envoy"), pids_of(gateway, "ratelimit_svc")
        for pid in limiters:
            os.kill(pid, signal.SIGKILL)
        assert slow.result().status_code == 200
    until(lambda: "x-ratelimit-limit" in gateway.get("/healthz").headers)
    assert pids_of(gateway, "envoy") == envoy


def test_without_redis_a_gateway_that_denies_answers_503(gateway: Gateway) -> None:
    gateway.apply(gateway.edited(("when_redis_is_away: allow", "when_redis_is_away: deny")))
    assert status(gateway, "/healthz") == 200
    with stopped(pids_of(gateway, "valkey-server")):
        response = gateway.get("/healthz")
        assert response.status_code == 503
        assert is_problem(response)
    until(lambda: status(gateway, "/healthz") == 200)
