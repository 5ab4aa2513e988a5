"""A small asyncio server for HTTP/1.1: keep-alive, 100-continue, streamed answers, problem+json errors, a clean end.

Enough for a demo upstream behind a gateway, and fast enough to be the upstream of the benchmark. It has no TLS and no
idle timeout: only the gateway is meant to talk to it.
"""

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple, cast

from http1 import HttpError, Request, RequestParser

log = logging.getLogger(__name__)

MAX_PIPELINED = 64 * 1024
"""Bytes that may wait while an answer is under way, before reading pauses."""
LINGER_SECONDS = 2.0
"""How long input is thrown away after an error: closing at once would reset the answer out of the client's hands."""
DRAIN_SECONDS = 5.0
"""How long SIGTERM waits for answers under way."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Response(NamedTuple):
    """One response. With ``stream`` the body is sent chunked, as it comes, and ``body`` is not used."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Request], Response | Awaitable[Response]]
"""Answers a request. What it raises as HttpError becomes a problem document."""


def _problem(error: HttpError) -> Response:
    """RFC 9457."""
    title = _PHRASES.get(error.status, "Unknown")
    document = {"type": "about:blank", "title": title, "status": error.status, "detail": error.detail}
    return Response(error.status, json.dumps(document).encode(), "application/problem+json", error.headers)


class Connection(asyncio.Protocol):
    """One client connection: requests are answered in order, one at a time."""

    def __init__(self, handler: Handler, connections: set["Connection"]) -> None:
        self._handler, self._connections = handler, connections
        self._parser = RequestParser()
        self._slow: asyncio.Task[None] | None = None
        self._readable, self._writable = True, True
        self._draining, self._lingering = False, False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the connection is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol's signature
        """Called by the event loop."""
        self._connections.discard(self)
        if self._slow is not None:
            self._slow.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if not self._lingering:
            self._parser.feed(data)
            self._advance()

    def pause_writing(self) -> None:
        """Called by the event loop: the client does not read its answers, so no more of them are made."""
        self._writable = False

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._writable = True
        self._advance()

    def drain(self) -> None:
        """Finish the request under way, then close; close at once when there is none."""
        self._draining = True
        if self._slow is None and self._parser.idle:
            self._transport.close()

    def _advance(self) -> None:
        while self._slow is None and self._writable and not self._transport.is_closing() and not self._lingering:
            try:
                request = self._parser.next_request()
            except HttpError as error:
                self._refuse(error)
                return
            if request is None:
                if self._parser.expects_continue:
                    self._parser.expects_continue = False
                    self._transport.write(_CONTINUE)
                break
            self._answer(request)
        readable = (self._slow is None and self._writable) or self._parser.buffered <= MAX_PIPELINED
        if readable != self._readable and not self._transport.is_closing():
            self._readable = readable
            (self._transport.resume_reading if readable else self._transport.pause_reading)()

    def _answer(self, request: Request) -> None:
        try:
            outcome = self._handler(request)
        except HttpError as error:
            outcome = _problem(error)
        except Exception:
            log.exception("no answer")
            outcome = _problem(HttpError(500, "the backend made a mistake"))
        if isinstance(outcome, Response) and outcome.stream is None:
            self._send(request, outcome)
        else:
            self._slow = asyncio.create_task(self._answer_slowly(request, outcome))

    async def _answer_slowly(self, request: Request, outcome: Response | Awaitable[Response]) -> None:
        try:
            response = outcome if isinstance(outcome, Response) else await outcome
            if response.stream is None or request.method == "HEAD":
                self._send(request, response)
            else:
                self._transport.write(_head(response, ("transfer-encoding", "chunked")))
                async for data in response.stream:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
                self._transport.write(b"0\r\n\r\n")
                self._end(request)
        except HttpError as error:  # raised before anything was sent: a stream raises none
            self._send(request, _problem(error))
        except Exception:
            log.exception("an answer broke off")
            self._transport.abort()
        self._slow = None
        self._advance()

    def _send(self, request: Request, response: Response) -> None:
        if response.status in (204, 304):
            self._transport.write(_head(response))
        else:
            head = _head(response, ("content-length", str(len(response.body))))
            self._transport.write(head if request.method == "HEAD" else head + response.body)
        self._end(request)

    def _end(self, request: Request) -> None:
        if self._draining or not request.keep_alive:
            self._transport.close()

    def _refuse(self, error: HttpError) -> None:
        response = _problem(error)
        framing = (("content-length", str(len(response.body))), ("connection", "close"))
        self._transport.write(_head(response, *framing) + response.body)
        self._lingering = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)


def _head(response: Response, *framing: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, 'Unknown')}"]
    if response.status not in (204, 304):
        lines.append(f"content-type: {response.content_type}")
    lines += [f"{name}: {value}" for name, value in (*response.headers, *framing)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def serve(handler: Handler, host: str, port: int, on_ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way (at most DRAIN_SECONDS).

    ``on_ready`` is told the port once connections are accepted. Raises OSError when the address cannot be had.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connections: set[Connection] = set()
    server = await loop.create_server(lambda: Connection(handler, connections), host, port, backlog=1024)
    on_ready(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    open_connections = list(connections)
    for connection in open_connections:
        connection.drain()
    if open_connections:
        await asyncio.wait([connection.closed for connection in open_connections], timeout=DRAIN_SECONDS)
