import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from serving import endpoint as module
from serving.endpoint import Body, Endpoint, json_body


def broken() -> Body:
    raise ValueError("hunter2")


PAGES = {"/status": lambda: json_body(200, {"ok": True}), "/broken": broken}


@pytest.fixture(params=["127.0.0.1", "::1"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    running = Endpoint((request.param, 0), PAGES)
    running.start()
    yield request.param, running.port
    running.close()


def ask(address: tuple[str, int], method: str, path: str) -> tuple[int, bytes, str | None]:
    connection = HTTPConnection(*address, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    answer = response.status, response.read(), response.headers["content-length"]
    connection.close()
    return answer


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """All that comes back until the other side hangs up."""
    with socket.create_connection(address, timeout=5) as connection:
        received = b""
        try:
            connection.sendall(sent)
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:  # it hung up before it had read all
            pass
        return received


@pytest.mark.parametrize(
    ("path", "status", "document"),
    [
        ("/status", 200, {"ok": True}),
        ("/status?verbose", 200, {"ok": True}),
        ("/", 404, {"pages": ["/broken", "/status"]}),
        ("/status/../broken", 404, {"pages": ["/broken", "/status"]}),
        ("/broken", 500, {"error": "ValueError"}),
    ],
)
def test_pages(endpoint: tuple[str, int], path: str, status: int, document: object) -> None:
    found, body, _ = ask(endpoint, "GET", path)
    assert (found, json.loads(body)) == (status, document)


def test_head_tells_the_length_and_sends_nothing(endpoint: tuple[str, int]) -> None:
    _, body, length = ask(endpoint, "GET", "/status")
    assert ask(endpoint, "HEAD", "/status") == (200, b"", length)
    assert length == str(len(body))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /status HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /status HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"POST /status HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"501"),
        (b"GET /status HTTP/9.9\r\n\r\n", b"505"),
    ],
    ids=lambda value: value[:24].decode("latin-1").split("\r")[0],
)
def test_garbage_is_refused_and_the_next_client_is_served(
    endpoint: tuple[str, int], sent: bytes, status: bytes
) -> None:
    received = exchange(endpoint, sent)
    assert status in received[:200] or received == b""  # a client still sending may see only the reset
    assert ask(endpoint, "GET", "/status")[0] == 200


def test_clients_that_say_nothing_or_hang_up_hold_up_nobody_and_print_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "CLIENT_SECONDS", 0.2)
    running = Endpoint(("127.0.0.1", 0), PAGES)
    running.start()
    address = "127.0.0.1", running.port
    silent = [socket.create_connection(address, timeout=5) for _ in range(20)]
    for connection in silent[:10]:
        connection.sendall(b"GET /sta")
    gone = socket.create_connection(address)
    gone.sendall(b"GET /status HTTP/1.0\r\n\r\n")
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    assert ask(address, "GET", "/status")[0] == 200
    for connection in silent:
        assert connection.recv(100) == b""  # hung up on
        connection.close()
    running.close()
    assert capfd.readouterr() == ("", "")


def test_a_taken_address_is_an_error_and_a_closed_one_is_free_again() -> None:
    first = Endpoint(("127.0.0.1", 0), PAGES)
    first.start()
    address = "127.0.0.1", first.port
    with pytest.raises(OSError, match="in use"):
        Endpoint(address, PAGES)
    first.close()
    again = Endpoint(address, PAGES)
    again.start()
    again.close()
