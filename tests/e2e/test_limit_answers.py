"""What a limited client is told, as it arrives through Envoy."""

import pytest

from tests.e2e.conftest import STATIC_KEY, Gateway, is_problem

pytestmark = pytest.mark.e2e


def test_a_client_is_told_of_every_limit_and_a_refusal_when_to_come_back(gateway: Gateway) -> None:
    headers = {"x-api-key": STATIC_KEY}
    answers = [gateway.get("/by-plan", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {
        '"everything";q=100000;w=60, "pro-plan";q=3;w=3600'
    }
    first, *_, refused = answers
    assert first.headers["ratelimit"].startswith('"pro-plan";r=2;t=')
    assert '"everything";r=99999;t=' in first.headers["ratelimit"]
    seconds = refused.headers["retry-after"]
    assert refused.headers["ratelimit"].startswith(f'"pro-plan";r=0;t={seconds}, "everything";r=')
    problem = refused.json()
    assert is_problem(refused)
    assert (problem["limit"], problem["retry_after"]) == ("pro-plan", int(seconds))
    assert f"try again in {seconds} s" in problem["detail"]


def test_the_gateway_speaks_of_limits_and_not_the_upstream_behind_it(gateway: Gateway) -> None:
    answer = gateway.get("/several/status/200")
    assert answer.headers.get_list("x-ratelimit-limit") == ["2"]


def test_a_grpc_client_is_told_in_its_own_way(gateway: Gateway) -> None:
    headers = {"x-api-key": STATIC_KEY, "content-type": "application/grpc"}
    refused = [gateway.get("/by-plan", headers=headers) for _ in range(4)][-1]
    assert refused.headers["grpc-status"] == "8"  # RESOURCE_EXHAUSTED
    assert "pro-plan" in refused.headers["grpc-message"]
    assert refused.headers["ratelimit"].startswith('"pro-plan";r=0;t=')
