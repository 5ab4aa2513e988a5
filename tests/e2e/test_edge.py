"""What the edge makes of odd requests: every error is a problem, and nothing odd reaches the upstream."""

import http.client
import json
import socket

import httpx
import pytest

from tests.e2e.conftest import Gateway, is_problem

pytestmark = pytest.mark.e2e


def raw(gateway: Gateway, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are and read the answer: status, headers, body."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read()


def ask(target: str, *headers: str, method: str = "GET", body: str = "") -> bytes:
    head = [f"{method} {target} HTTP/1.1", "host: gateway", "connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode("latin-1")


ODD = [
    pytest.param(ask("/api/v1/..%2fusers"), 400, id="escaped-slash"),
    pytest.param(ask("/api/v1/..%5Cusers"), 400, id="escaped-backslash"),
    pytest.param(ask("/healthz%00"), 400, id="nul"),
    pytest.param(ask("/healthz#fragment"), 400, id="fragment"),
    pytest.param(ask("/api/v1/tickets/../users"), 401, id="dot-segments-are-resolved"),
    pytest.param(ask("/api/v1/%2e%2e/v1/users"), 401, id="escaped-dots-are-resolved"),
    pytest.param(ask("//api///v1/users"), 401, id="slashes-are-merged"),
    pytest.param(ask("/%61pi/v1/users"), 401, id="escaped-letters-are-decoded"),
    pytest.param(ask("/api/v1/users;a=b"), 404, id="path-parameters-are-no-boundary"),
    pytest.param(ask("/debug/echo/..;/x"), 404, id="dots-with-parameters-are-resolved"),
    pytest.param(ask("/debug/echo/a;b/x"), 400, id="path-parameters-are-refused-below-a-route"),
    pytest.param(ask("/API/v1/users"), 404, id="case-counts"),
    pytest.param(ask("http://other/healthz"), 200, id="absolute-form"),
    pytest.param(ask("/healthz", "x_gate_user: root"), 400, id="underscore"),
    pytest.param(ask("/healthz", f"x-big: {'a' * 33_500}"), 431, id="headers-too-large"),
    pytest.param(ask("/healthz", *(f"x-{n}: 1" for n in range(150))), 431, id="too-many-headers"),
    pytest.param(b"GET /healthz HTTP/1.0\r\n\r\n", 426, id="http-1.0"),
    pytest.param(b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", 400, id="no-host"),
    pytest.param(b"nonsense\r\n\r\n", 400, id="no-http"),
    pytest.param(ask("/debug/echo", "content-length: 3", "transfer-encoding: chunked", method="POST"), 400, id="cl-te"),
    pytest.param(ask("/debug/echo", "content-length: 3", "content-length: 4", method="POST"), 400, id="two-lengths"),
    pytest.param(ask("/debug/echo", "transfer-encoding: x", method="POST"), 501, id="unknown-coding"),
    pytest.param(ask("/debug/echo", "content-length: 99999", method="POST"), 413, id="body-too-large"),
    pytest.param(
        ask("/debug/echo", "transfer-encoding: chunked", method="POST", body=f"10400\r\n{'a' * 0x10400}\r\n0\r\n\r\n"),
        413,
        id="chunked-body-too-large",
    ),
    pytest.param(ask("gateway:443", method="CONNECT"), 404, id="connect"),
    pytest.param(ask("/nobody"), 503, id="upstream-down"),
    pytest.param(ask("/nothing-here"), 404, id="not-found"),
]


@pytest.mark.parametrize(("request_bytes", "status"), ODD)
def test_an_odd_request_gets_its_status_and_every_error_is_a_problem(
    gateway: Gateway, request_bytes: bytes, status: int
) -> None:
    got, headers, body = raw(gateway, request_bytes)
    assert got == status, body
    assert not [name for name in headers if name.startswith("x-envoy-")]
    if status >= 400:
        problem = json.loads(body)
        assert headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "request_id"} <= set(problem)
        assert problem["status"] == status
        assert problem["detail"]
        assert "127.0.0.1" not in body.decode()


def test_slow_headers_are_cut_off(gateway: Gateway) -> None:
    assert raw(gateway, b"GET /healthz HTTP/1.1\r\nhost: gateway\r\nx-slow: ")[0] == 408


def test_a_request_id_from_outside_is_not_believed(gateway: Gateway) -> None:
    response = gateway.get("/healthz", headers={"x-request-id": "mine"})
    assert response.headers["x-request-id"] != "mine"


def test_forwarded_addresses_from_outside_are_not_believed(gateway: Gateway) -> None:
    response = gateway.get("/debug/echo", headers={"x-forwarded-for": "1.2.3.4"})
    seen = {name.lower(): value for name, value in response.json()["headers"]}
    assert seen["x-envoy-external-address"] == "127.0.0.1"


def test_headers_are_added_and_removed_and_a_percent_sign_is_text(gateway: Gateway) -> None:
    response = gateway.get("/private/a?b=c", "alice", {"x-unwanted": "1", "x-added": "forged"})
    seen = {name.lower(): value for name, value in response.json()["headers"]}
    assert seen["x-added"] == "100% yes"
    assert "x-unwanted" not in seen
    assert response.headers["x-from"] == "gateway"
    assert response.json()["path"] == "/debug/echo/a?b=c"


@pytest.mark.parametrize("query", ["", "?a=b"])
def test_a_prefix_can_be_taken_away(gateway: Gateway, query: str) -> None:
    response = gateway.get(f"/strip/debug/echo/x{query}")
    assert response.json()["path"] == f"/debug/echo/x{query}"


def test_routes_match_by_header_method_and_host(gateway: Gateway) -> None:
    assert gateway.get("/versioned").status_code == 404  # the backend's own: the route is taken
    assert gateway.get("/versioned", headers={"x-version": "2"}).status_code == 503
    with gateway.client() as client:
        assert client.post("/versioned").json()["type"] == "urn:gatectl:error:not-found"
    assert gateway.get("/hosted").json()["type"] == "urn:gatectl:error:not-found"
    inside = gateway.get("/hosted", headers={"host": "a.e2e.example:8080"})
    assert inside.json()["type"] != "urn:gatectl:error:not-found"


def preflight(gateway: Gateway, origin: str) -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": "GET"}
    with gateway.client() as client:
        return client.options("/api/v1/tickets", headers=headers)


def test_a_preflight_of_a_known_origin_is_answered_without_a_credential(gateway: Gateway) -> None:
    response = preflight(gateway, "https://app.example.com")
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://app.example.com"


def test_a_preflight_of_an_unknown_origin_gets_no_permission(gateway: Gateway) -> None:
    assert "access-control-allow-origin" not in preflight(gateway, "https://evil.example").headers


def test_a_slow_upstream_is_504(gateway: Gateway) -> None:
    response = gateway.get("/fragile/delay/600")
    assert response.status_code == 504
    assert is_problem(response)
