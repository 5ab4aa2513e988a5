"""The demo backend as a speaker of HTTP/1.1: framing, limits, malformed input, its end."""

import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

StartBackend = Callable[..., AbstractContextManager[tuple[subprocess.Popen[str], int]]]
HOST = b"Host: support\r\n"


def exchange(port: int, sent: bytes) -> bytes:
    """Everything the backend answers to these bytes until it closes; a request must ask for that or be malformed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def post(body: bytes, *, framing: bytes, path: bytes = b"/debug/echo") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n" + framing + b"\r\n" + body


def echoed(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), answer
    document = json.loads(body)
    assert isinstance(document, dict)
    return document


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_echo_tells_method_target_headers_and_body_as_they_came(port: int) -> None:
    sent = b"PUT /debug/echo/a%2Fb?q=1 HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nx-twice:  2 \r\nConnection: close\r\n"
    assert echoed(exchange(port, sent + b"Content-Length: 3\r\n\r\nabc")) == {
        "method": "PUT",
        "path": "/debug/echo/a%2Fb?q=1",
        "headers": [
            ["Host", "h"],
            ["X-Twice", "1"],
            ["x-twice", "2"],
            ["Connection", "close"],
            ["Content-Length", "3"],
        ],
        "body": "abc",
    }


def test_a_chunked_body_with_extensions_and_trailers_is_put_together(port: int) -> None:
    body = b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
    assert echoed(exchange(port, post(body, framing=b"Transfer-Encoding: chunked\r\n")))["body"] == "abc0123456789"


@settings(max_examples=25, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=5), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_where_the_bytes_are_cut_on_the_wire_changes_nothing(port: int, chunks: list[bytes], cuts: list[int]) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    message = post(body, framing=b"Transfer-Encoding: chunked\r\n")
    edges = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in pairwise(edges):
            connection.sendall(message[start:end])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert echoed(answer)["body"] == b"".join(chunks).decode(errors="replace")


def test_pipelined_requests_are_answered_in_order_even_behind_a_slow_one(port: int) -> None:
    def get(path: bytes, rest: bytes = b"") -> bytes:
        return b"GET " + path + b" HTTP/1.1\r\n" + HOST + rest + b"\r\n"

    answer = exchange(
        port, get(b"/debug/delay/50") + get(b"/debug/status/418") + get(b"/healthz", b"Connection: close\r\n")
    )
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"418", b"200"]


def test_a_client_that_expects_continue_is_told_to_go_on(port: int) -> None:
    message = post(b"", framing=b"Content-Length: 2\r\nExpect: 100-continue\r\n")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(message)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        assert echoed(b"".join(iter(lambda: connection.recv(65536), b"")))["body"] == "hi"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n\r\n\r\n", 400),
        (b"GET http://support/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /\xe9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n folded\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n" + HOST + b"\r\n", 505),
        (post(b"a", framing=b"Content-Length: +1\r\n"), 400),
        (post(b"a", framing=b"Content-Length: 1\r\nContent-Length: 1\r\n"), 400),
        (post(b"0\r\n\r\n", framing=b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        (post(b"", framing=b"Transfer-Encoding: gzip, chunked\r\n"), 501),
        (post(b"zz\r\n", framing=b"Transfer-Encoding: chunked\r\n"), 400),
        (post(b"-1\r\n", framing=b"Transfer-Encoding: chunked\r\n"), 400),
        (post(b"2\r\nabc\r\n", framing=b"Transfer-Encoding: chunked\r\n"), 400),
        (post(b"1;" + b"x" * 300, framing=b"Transfer-Encoding: chunked\r\n"), 400),
        (post(b"", framing=b"Content-Length: 1048577\r\n"), 413),
        (post(b"100001\r\n", framing=b"Transfer-Encoding: chunked\r\n"), 413),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"GET /" + b"a" * 40_000, 431),
        (post(b"0\r\n" + b"X: y\r\n" * 6000, framing=b"Transfer-Encoding: chunked\r\n"), 431),
    ],
)
def test_a_malformed_or_oversized_request_is_refused_and_the_connection_closed(
    port: int, sent: bytes, expected: int
) -> None:
    answer = exchange(port, sent)
    assert status(answer) == expected
    assert len(re.findall(rb"HTTP/1\.1 \d", answer)) == 1
    assert b"\r\nconnection: close" in answer


def test_the_refusal_of_a_large_body_reaches_a_client_that_is_still_sending(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(post(b"", framing=b"Content-Length: 3000000\r\n"))
        assert connection.recv(1, socket.MSG_PEEK), "the refusal is there before the body is"
        for _ in range(30):
            connection.sendall(b"x" * 100_000)
        assert status(b"".join(iter(lambda: connection.recv(65536), b""))) == 413


@settings(max_examples=50, deadline=None)
@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_never_takes_the_backend_down(port: int, noise: bytes) -> None:
    exchange(port, noise + b"\r\n\r\n \r\n\r\n")
    assert status(exchange(port, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")) == 200


def test_sigterm_finishes_the_answer_under_way_and_closes_idle_connections(start_backend: StartBackend) -> None:
    with start_backend("--debug") as (process, port):
        idle = socket.create_connection(("127.0.0.1", port), timeout=2)
        busy = socket.create_connection(("127.0.0.1", port), timeout=10)
        with idle, busy:
            busy.sendall(b"GET /debug/stream/4 HTTP/1.1\r\n" + HOST + b"\r\n")
            first = busy.recv(65536)
            process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""
            rest = b"".join(iter(lambda: busy.recv(65536), b""))
        assert (first + rest).endswith(b"line 4 of 4\n\r\n0\r\n\r\n")
        assert process.wait(timeout=5) == 0


def test_a_client_that_never_reads_does_not_make_the_backend_grow(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as greedy:
        greedy.settimeout(1)
        request = b"GET /api/v1/tickets HTTP/1.1\r\n" + HOST + b"\r\n"
        stuck = threading.Event()
        try:
            for _ in range(2000):
                greedy.sendall(request * 1000)
        except TimeoutError:
            stuck.set()
        assert stuck.is_set(), "the backend took 100 MB of requests whose answers nobody reads"
    assert status(exchange(port, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")) == 200
