"""Limits as clients meet them: exact under concurrency, told in headers and in the problem."""

import itertools
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.conftest import STATIC_KEY, Gateway, at_once, is_problem

pytestmark = pytest.mark.e2e


def burst(gateway: Gateway, path: str, count: int, headers: dict[str, str] | None = None) -> list[httpx.Response]:
    """``count`` requests, as many at a time as the machine can."""
    with gateway.client() as client, ThreadPoolExecutor(max_workers=40) as pool:
        return list(pool.map(lambda _: client.get(path, headers=headers), range(count)))


@pytest.mark.parametrize(("path", "limit"), [("/counted", 50), ("/counted-fixed", 20)], ids=["sliding", "fixed"])
def test_exactly_n_of_n_plus_100_concurrent_requests_are_admitted(gateway: Gateway, path: str, limit: int) -> None:
    statuses = [response.status_code for response in burst(gateway, path, limit + 100)]
    assert statuses.count(429) == 100
    assert statuses.count(404) == limit  # the backend's own answer: admitted


def test_a_refusal_names_the_limit_and_when_to_come_back(gateway: Gateway) -> None:
    headers = {"x-api-key": STATIC_KEY}
    last = burst(gateway, "/by-plan", 4, headers)
    refused = next(response for response in last if response.status_code == 429)
    problem = refused.json()
    assert is_problem(refused)
    assert problem["type"] == "urn:gatectl:error:rate-limited"
    assert problem["limit"] == "pro-plan"
    assert "pro-plan" in problem["detail"]
    assert problem["retry_after"] == int(refused.headers["retry-after"])
    assert refused.headers["ratelimit-policy"] == '"everything";q=100000;w=60, "pro-plan";q=3;w=3600'
    assert refused.headers["ratelimit"].startswith(f'"pro-plan";r=0;t={problem["retry_after"]}, "everything";r=')
    assert refused.headers["x-ratelimit-limit"] == "3"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert 0 < int(refused.headers["retry-after"]) <= 2 * 3600  # a sliding window empties over the next one
    assert "x-envoy-ratelimited" not in refused.headers


def test_an_admitted_request_is_told_what_is_left(gateway: Gateway) -> None:
    response = gateway.get("/by-plan", "bob")
    assert response.headers["x-ratelimit-limit"] == "3"
    assert response.headers["x-ratelimit-remaining"] == "2"
    assert int(response.headers["x-ratelimit-reset"]) > 0


def test_a_limit_for_a_plan_leaves_other_plans_alone(gateway: Gateway) -> None:
    assert {response.status_code for response in burst(gateway, "/by-plan", 8, credential(gateway, "alice"))} == {404}


def test_a_combined_limit_counts_each_combination_by_itself(gateway: Gateway) -> None:
    for user in ("alice", "carol"):
        statuses = [response.status_code for response in burst(gateway, "/by-role", 5, credential(gateway, user))]
        assert statuses.count(429) == 3


def test_an_address_from_outside_opens_no_new_counter(gateway: Gateway) -> None:
    burst(gateway, "/counted", 60)
    for address in ("1.2.3.4", "5.6.7.8"):
        assert gateway.get("/counted", headers={"x-forwarded-for": address}).status_code == 429


def test_a_new_revision_resets_no_counter(gateway: Gateway) -> None:
    burst(gateway, "/counted", 60)
    gateway.apply(gateway.edited(("timeout: 2s", "timeout: 3s")))
    assert gateway.get("/counted").status_code == 429


def test_raising_a_limit_takes_effect_at_once(gateway: Gateway) -> None:
    burst(gateway, "/counted-fixed", 30)
    gateway.apply(gateway.edited(("limit: 20/hour", "limit: 25/hour")))
    statuses = [response.status_code for response in burst(gateway, "/counted-fixed", 10)]
    assert statuses.count(404) == 5


def test_who_goes_on_guessing_is_refused_and_a_good_client_beside_him_is_not(gateway: Gateway) -> None:
    abuse = "abuse: {slow_after: 2, refuse_after: 3, block: 1h, exempt: []}\nupstreams:"
    gateway.apply(gateway.edited(("upstreams:", abuse)))
    assert gateway.get("/api/v1/tickets", "alice").status_code == 200
    wrong = [gateway.get("/api/v1/tickets", headers={"x-api-key": f"guess {number}"}) for number in range(5)]
    assert [response.status_code for response in wrong] == [401, 401, 401, 429, 429]
    assert wrong[2].elapsed.total_seconds() >= 0.5 > wrong[3].elapsed.total_seconds()
    assert is_problem(wrong[3])
    assert wrong[3].json()["type"] == "urn:gatectl:error:too-many-failures"
    assert 3590 <= int(wrong[3].headers["retry-after"]) <= 3600
    assert gateway.get("/api/v1/tickets", "alice").status_code == 200
    assert gateway.get("/healthz").status_code == 200


def credential(gateway: Gateway, user: str) -> dict[str, str]:
    return {"x-api-key": gateway.keys[user]}


def test_an_adaptive_limit_gives_way_while_its_upstream_fails(gateway: Gateway) -> None:
    assert in_force(gateway) == 50
    burst(gateway, "/breathing/status/503", 30)
    deadline = time.monotonic() + 20
    while in_force(gateway) == 50:  # it is decided once a second, from what Envoy told of streams that ended
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_adaptive_limit_does_not_mind_long_answers_and_slow_clients(gateway: Gateway) -> None:
    gateway.apply(gateway.edited(("target_latency: 900ms", "target_latency: 300ms")))

    def slowly(number: int) -> int:
        body = iter(lambda: time.sleep(0.1) or b"x", None) if number % 2 else None
        with gateway.client() as client:
            if body is None:
                return client.get("/breathing/stream/6").status_code
            return client.post("/breathing/echo", content=itertools.islice(body, 6)).status_code

    deadline = time.monotonic() + 30
    while not reasons(gateway) & {"full", "unused", "raised", "near"}:  # after a cut some seconds are not judged
        assert time.monotonic() < deadline
        with ThreadPoolExecutor(max_workers=12) as pool:
            assert set(pool.map(slowly, range(12))) == {200}
    assert "latency" not in reasons(gateway)
    burst(gateway, "/breathing/delay/400", 24)
    while "latency" not in reasons(gateway):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reasons(gateway: Gateway) -> set[str]:
    """Why the level of the limit moved or stayed so far."""
    metrics = httpx.get(f"http://{gateway.running()['ratelimit_svc']['http']}/metrics", trust_env=False).text
    return set(
        re.findall(r'^ratelimit_adaptive_steps_total\{limit="breathing",reason="(.*)"\} [1-9]', metrics, re.MULTILINE)
    )


def in_force(gateway: Gateway) -> int:
    return int(gateway.get("/breathing/status/200").headers["x-ratelimit-limit"])


def test_a_user_gets_other_numbers_and_new_counters_while_everything_runs(gateway: Gateway) -> None:
    bob = credential(gateway, "bob")
    assert 429 in {response.status_code for response in burst(gateway, "/by-plan", 4, bob)}
    wanted = {"user": "bob", "plan": "pro"}
    deadline = time.monotonic() + 5
    while wanted not in [one["caller"] for one in gateway.json("limits", "top", "--limit", "pro-plan")]:
        assert time.monotonic() < deadline
    gateway.gatectl("limits", "set", "bob", "100/hour", "--limit", "pro-plan")
    assert seconds_until(gateway, bob, 404) < 5, "within one second, on a machine that is not busy"
    gateway.gatectl("limits", "set", "bob", "1/hour", "--limit", "pro-plan")
    assert seconds_until(gateway, bob, 429) < 5
    gateway.gatectl("limits", "reset", "bob", "--counters")
    assert seconds_until(gateway, bob, 404) < 5
    assert gateway.get("/by-plan", "bob").headers["x-ratelimit-limit"] == "3"
    assert gateway.json("limits", "show", "bob", "--plan", "pro")["overrides"] == []


def seconds_until(gateway: Gateway, headers: dict[str, str], status: int) -> float:
    started = time.monotonic()
    while gateway.get("/by-plan", headers=headers).status_code != status and time.monotonic() - started < 5:
        time.sleep(0.02)
    return time.monotonic() - started


Step = tuple[str | None, str, dict[str, str | bytes], int]
"""A user or None, what follows the route's prefix, headers, and the status that is expected."""
STEPS: dict[str, list[Step]] = {
    "several": [(None, "status/204", {}, status) for status in (204, 204, 429)],
    "planned": [
        *(("alice", "status/204", {}, status) for status in (204, 429)),
        *(("bob", "status/204", {}, status) for status in (204, 204, 204, 429)),
        *(("carol", "status/204", {}, status) for status in (204, 204)),
    ],
    "shared": [
        ("bob", "status/204", {"x-team": "blue"}, 204),
        ("bob", "status/204", {"x-team": "red"}, 204),
        ("alice", "status/204", {"x-team": "blue"}, 204),
        ("bob", "status/204", {"x-team": "blue"}, 429),
        ("alice", "status/204", {}, 204),
        *(("bob", "status/204", {"x-team": value}, status) for value in (b"\xff", b"\xc3") for status in (204, 429)),
        ("carol", "status/204", {}, 429),  # neither has a tenant or says a team
    ],
    "shadow": [(None, "status/204", {}, 204)],
    "costly": [("alice", "status/204", {}, status) for status in (204, 204, 429)],
    "spared": [("alice", "status/204", {}, status) for status in (204, 429)],
}


@pytest.mark.parametrize("route", STEPS)
def test_a_limit_counts_as_it_is_written(gateway: Gateway, route: str) -> None:
    for user, path, headers, status in STEPS[route]:
        response = gateway.get(f"/{route}/{path}", user, headers)
        assert response.status_code == status, (user, headers)


def test_a_response_is_charged_by_its_status_when_its_stream_has_ended(gateway: Gateway) -> None:
    def left(path: str) -> int:
        return int(gateway.get(f"/charged/{path}", "alice").headers["x-ratelimit-remaining"])

    assert left("status/204") == 10
    assert left("status/401") == 10
    eventually(lambda: left("status/204") == 5)
    assert gateway.get("/charged/status/401", "alice").status_code == 401
    eventually(lambda: gateway.get("/charged/status/204", "alice").status_code == 429)


def test_requests_at_once_make_room_when_they_end(gateway: Gateway) -> None:
    with ThreadPoolExecutor(max_workers=1) as pool:
        slow = pool.submit(gateway.get, "/at-once/delay/700", "alice")
        eventually(lambda: at_once(gateway, "alice") == [0])
        assert gateway.get("/at-once/status/204", "alice").status_code == 429
        assert gateway.get("/at-once/status/204", "carol").status_code == 204
        assert slow.result().status_code == 200
    eventually(lambda: gateway.get("/at-once/status/204", "alice").status_code == 204)


def eventually(holds: Callable[[], bool]) -> None:
    """Envoy tells of the end of a stream when the client has its answer already."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
