"""A gateway with TLS from `gatectl up` on: what is shown works, over HTTP/1.1, HTTP/2 and HTTP/3."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Gateway, make_gateway
from tests.gatectl import h3_client

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    yield from make_gateway(Path(__file__).with_name("tls.yaml"))


def shell(line: str) -> str:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=True).stdout


def test_the_lines_of_the_ready_screen_work_as_they_stand(gateway: Gateway) -> None:
    (request,) = gateway.ready["requests"]
    assert gateway.ready["url"] == f"https://127.0.0.1:{gateway.port}"
    answer = shell(request["curl"])
    assert answer.startswith("HTTP/2 200")
    assert f'alt-svc: h3=":{gateway.port}"; ma=86400' in answer
    assert '["x-gate-user", "tess"]' in answer


def test_the_development_certificate_is_believed_by_whoever_is_told_to_only(gateway: Gateway) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        shell(f"curl -s {gateway.ready['url']}/healthz")
    assert refused.value.returncode == 60  # curl's word for a certificate that it does not believe


def test_http3_asks_the_same_services(gateway: Gateway) -> None:
    ca, key = str(gateway.state_dir / "certificates/ca.pem"), ("x-api-key", gateway.keys["tess"])
    assert h3_client.get(gateway.port, "/debug/echo", ca).status == 401
    answer = h3_client.get(gateway.port, "/debug/echo", ca, headers=[key, ("x-gate-user", "root")])
    assert answer.status == 200
    assert b"tess" in answer.body
    assert b"root" not in answer.body


def test_an_apply_converges_on_both_listeners(gateway: Gateway) -> None:
    gateway.apply(gateway.edited(("http3: true}", "http3: true, min_version: '1.3'}")))
    assert gateway.gatectl("drift", "--detailed-exitcode").returncode == 0


def test_the_certificate_is_in_the_status(gateway: Gateway) -> None:
    (node,) = gateway.json("status")["nodes"]
    assert ("own", 89) in {(one["kind"], one["days"]) for one in node["certificates"]}


def test_explain_steps_around_tls(gateway: Gateway) -> None:
    told = gateway.json("explain", "GET", "/healthz", "-f", str(gateway.spec))
    assert (told["decision"], told["route"]["name"]) == ("allow", "health")
