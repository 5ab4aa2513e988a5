"""What the demo backend offers: the support desk, and what it does on demand under /debug."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

BACKEND = Path(__file__).parents[2] / "examples" / "customer-support" / "backend.py"
StartBackend = Callable[..., AbstractContextManager[tuple[subprocess.Popen[str], int]]]


def assert_problem(response: httpx.Response, status_code: int) -> None:
    assert response.status_code == status_code
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["status"] == status_code


def test_health_is_ok(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_created_ticket_is_found_where_location_says_and_in_the_list(client: httpx.Client) -> None:
    created = client.post("/api/v1/tickets", json={"subject": "Printer", "customer": "carol"})
    assert created.status_code == 201
    ticket = created.json()
    assert ticket["status"] == "open"
    assert client.get(created.headers["location"]).json() == ticket
    assert ticket in client.get("/api/v1/tickets").json()


def test_a_created_user_is_in_the_list(client: httpx.Client) -> None:
    user = client.post("/api/v1/users", json={"name": "Eve", "role": "agent"}).json()
    assert user in client.get("/api/v1/users").json()


def test_a_question_is_answered(client: httpx.Client) -> None:
    answered = client.post("/api/v1/assistant", json={"question": "Why does nothing print?"})
    assert answered.status_code == 200
    assert answered.json().keys() == {"question", "answer"}


def test_a_customer_is_read_by_id(client: httpx.Client) -> None:
    assert client.get("/api/v1/customers/carol").json()["name"] == "Carol"


def test_head_answers_like_get_without_the_body(client: httpx.Client) -> None:
    head, get = client.head("/api/v1/tickets/t-1001"), client.get("/api/v1/tickets/t-1001")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/", None, 404),
        ("GET", "/api/v1/tickets/t-9999", None, 404),
        ("GET", "/api/v1/customers/nobody", None, 404),
        ("GET", "/api/v1/customers/carol/", None, 404),
        ("DELETE", "/api/v1/tickets", None, 405),
        ("POST", "/api/v1/tickets", b"", 400),
        ("POST", "/api/v1/tickets", b"{", 400),
        ("POST", "/api/v1/tickets", b"[" * 100_000, 400),
        ("POST", "/api/v1/tickets", b"\xff\xfe", 400),
        ("POST", "/api/v1/tickets", b"[]", 422),
        ("POST", "/api/v1/tickets", b'{"subject": "a"}', 422),
        ("POST", "/api/v1/tickets", b'{"subject": "a", "customer": 1}', 422),
        ("POST", "/api/v1/tickets", b'{"subject": "", "customer": "c"}', 422),
        ("POST", "/api/v1/tickets", b'{"subject": "a", "customer": "c", "id": "mine"}', 422),
        ("POST", "/api/v1/assistant", b'{"query": "a"}', 422),
        ("GET", "/debug/status/600", None, 400),
        ("GET", "/debug/delay/60001", None, 400),
        ("GET", "/debug/stream/0", None, 400),
    ],
)
def test_errors_are_problem_documents(
    client: httpx.Client, method: str, path: str, body: bytes | None, expected: int
) -> None:
    assert_problem(client.request(method, path, content=body), expected)


def test_a_refused_method_names_the_allowed_ones(client: httpx.Client) -> None:
    assert client.delete("/api/v1/tickets").headers["allow"] == "GET, POST"


def test_a_body_of_the_largest_size_is_accepted(client: httpx.Client) -> None:
    assert len(client.post("/debug/echo", content=b"x" * 1024 * 1024).json()["body"]) == 1024 * 1024


def test_status_answers_with_the_status_asked_for(client: httpx.Client) -> None:
    assert client.get("/debug/status/503").status_code == 503
    assert client.get("/debug/status/204").content == b""


def test_flaky_fails_as_often_as_it_was_told(client: httpx.Client) -> None:
    client.post("/debug/fail-next/2")
    assert [client.get("/debug/flaky").status_code for _ in range(3)] == [500, 500, 200]


def test_stream_sends_one_chunk_a_line(client: httpx.Client) -> None:
    with client.stream("GET", "/debug/stream/3") as response:
        assert response.headers["transfer-encoding"] == "chunked"
        assert "".join(response.iter_text()) == "line 1 of 3\nline 2 of 3\nline 3 of 3\n"


@pytest.mark.parametrize("path", ["/debug/echo", "/debug/status/200", "/debug/delay/0", "/debug/flaky"])
def test_without_debug_nothing_is_under_debug(start_backend: StartBackend, path: str) -> None:
    with start_backend() as (_, port):
        assert httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code == 404


def test_a_taken_port_is_told_in_one_line(port: int) -> None:
    ended = subprocess.run(
        [sys.executable, BACKEND, "--port", str(port)], capture_output=True, text=True, timeout=10, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"backend: cannot listen on 127.0.0.1:{port}: ")
    assert ended.stderr.count("\n") == 1
