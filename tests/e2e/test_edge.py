"""What the edge adds, removes and answers by itself. Odd requests: tests/hostile."""

import http.client
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
