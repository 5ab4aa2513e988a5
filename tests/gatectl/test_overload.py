"""What a real Envoy keeps from an upstream that has more to do than it bears, or that fails."""

import http.client
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.gatectl.gateways import Gateway, unguarded
from tests.gatectl.specs import bundle, route

# of the poll that came before the socket did
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
CALLERS = 30
SERVICE_SECONDS = 0.01


class Narrow(ThreadingHTTPServer):
    """Two requests at a time, the others wait; ``/fails`` is a 500 at once."""

    request_queue_size = 200
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.turn = threading.Semaphore(2)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Narrow

    def do_GET(self) -> None:
        fails = self.path.startswith("/fails")
        if not fails:
            with self.server.turn:
                time.sleep(SERVICE_SECONDS)  # the work
        self.send_response(500 if fails else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the parent's
        """Nothing to say."""


def upstream(port: int, **fields: Any) -> dict[str, Any]:
    return {"endpoints": [f"127.0.0.1:{port}"], "circuit_breaker": {"consecutive_failures": 1000}, **fields}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(prefix="ol-") as directory:
        server = Narrow()
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        gateway, port = Gateway(Path(directory)), server.server_port
        concurrency = {"unloaded_latency": "10ms", "headroom_percent": 50}
        upstreams = {
            "open": upstream(port),
            "held": upstream(port, adaptive_concurrency=concurrency),
            "free": upstream(port, adaptive_concurrency={"unloaded_latency": "60s", "min_requests": 500}),
            "spared": upstream(port, admission_control={"min_requests_per_second": 0}),
        }
        routes = [route(name, {"path_prefix": f"/{name}"}, upstream=name) for name in upstreams]
        routes += [
            route(f"{name}-fails", {"path_prefix": f"/fails/{name}"}, upstream=name) for name in ("open", "spared")
        ]
        listener = {"address": "127.0.0.1", "port": gateway.port}
        routes.sort(key=lambda one: one["name"])
        try:
            gateway.start(unguarded(bundle(Path(directory), listener=listener, upstreams=upstreams, routes=routes)))
            yield gateway
        finally:
            gateway.stop()
            server.shutdown()
            thread.join()
            server.server_close()


def crowd(gateway: Gateway, path: str, calls: int) -> tuple[Counter[int], float]:
    """``CALLERS`` at a time: how often which status came, and the median of the seconds until a 200."""

    def call(_: int) -> tuple[int, float]:
        started = time.perf_counter()
        status, _body = gateway.get(path)
        return status, time.perf_counter() - started

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(calls)))
    took = sorted(seconds for status, seconds in answers if status == 200)
    return Counter(status for status, _ in answers), took[len(took) // 2]


def test_an_upstream_with_too_much_to_do_stays_fast_for_those_who_get_in(gateway: Gateway) -> None:
    everybody, waited = crowd(gateway, "/open", 90)
    some, waited_less = crowd(gateway, "/held", 300)
    assert everybody == {200: 90}
    assert set(some) == {200, 503}
    assert waited_less < waited / 2


def test_the_routes_of_another_upstream_have_a_limit_of_their_own(gateway: Gateway) -> None:
    assert crowd(gateway, "/free", 60)[0] == {200: 60}


def test_what_is_refused_is_a_problem_with_a_reason_of_its_own(gateway: Gateway) -> None:
    problems: list[Any] = []

    def call(_: int) -> None:
        status, body = gateway.get("/held")
        if status == 503:
            problems.append(body)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(CALLERS * 4)))
    assert {(one["type"], one["status"], one["title"]) for one in problems} == {
        ("urn:gatectl:error:overloaded", 503, "Service Unavailable")
    }


def test_an_upstream_that_fails_gets_a_part_of_its_requests_only(gateway: Gateway) -> None:
    open_ones = [gateway.get("/fails/open")[0] for _ in range(60)]
    spared = [gateway.get("/fails/spared") for _ in range(120)]
    assert set(open_ones) == {500}
    assert Counter(status for status, _ in spared)[503] > 20
    assert {body["type"] for status, body in spared if status == 503} == {"urn:gatectl:error:overloaded"}


def test_a_grpc_client_reads_the_same_in_its_message(gateway: Gateway) -> None:
    for _ in range(40):
        gateway.get("/fails/spared")
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
        connection.request("GET", "/fails/spared", headers={"content-type": "application/grpc"})
        response = connection.getresponse()
        response.read()
        connection.close()
        if "grpc-message" in response.headers:
            assert response.headers["grpc-message"].startswith("overloaded: ")
            return
    raise AssertionError("nothing was refused")
