"""HTTP/1.1 over unix sockets, byte for byte as asked for: the client in front of Envoy, and the echo behind it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import h11

from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.request import Answer, Request

LONGEST_HEAD = 16 << 20
"""Bytes: above the 8 MiB of headers that a listener may be told to accept."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@dataclass(frozen=True)
class Forwarded:
    """A request as the upstream got it. Header names are lower-case."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]


async def send(reader: Reader, writer: Writer, request: Request) -> Answer:
    """Send one request on a fresh connection and read the answer.

    Raises GatectlError (usage) when HTTP/1.1 cannot carry it, or when it was hung up on.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
    head = [("host", request.host), *request.headers, ("connection", "close")]
    if request.body_size or request.method in WITH_BODY:
        head.append(("content-length", str(request.body_size)))
    events: list[h11.Event] = []
    try:
        events.append(h11.Request(method=request.method, target=request.path, headers=head))
        events += [h11.Data(data=bytes(request.body_size))] if request.body_size else []
        # all of it or nothing: Envoy would log half a request, too
        sent = b"".join(connection.send(event) or b"" for event in (*events, h11.EndOfMessage()))
    except (h11.LocalProtocolError, UnicodeEncodeError) as error:
        raise GatectlError(f"the request cannot be sent: {error}", 64) from None
    writer.write(sent)
    try:
        return await _answer(connection, reader)
    except (h11.RemoteProtocolError, OSError) as error:
        raise GatectlError(f"the gateway gave no answer to this request: {error}") from None


async def _answer(connection: h11.Connection, reader: Reader) -> Answer:
    """Raises h11.RemoteProtocolError, OSError."""
    response: h11.Response | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
            break
    if response is None:
        raise h11.RemoteProtocolError("the connection was closed")
    return Answer(response.status_code, _headers(response), body)


async def connect(socket: Path, address: str) -> tuple[Reader, Writer]:
    """A connection to Envoy that claims to come from ``address`` (PROXY protocol). Raises OSError."""
    reader, writer = await asyncio.open_unix_connection(socket)
    family, here = ("TCP6", "::1") if ":" in address else ("TCP4", "127.0.0.1")
    writer.write(f"PROXY {family} {address} {here} 50000 80\r\n".encode())
    return reader, writer


async def serve_echo(socket: Path, on_request: Callable[[Forwarded], None]) -> asyncio.Server:
    """The one upstream of a rehearsal: tells what it got, and answers 200 with nothing."""

    async def answer(reader: Reader, writer: Writer) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        try:
            with contextlib.suppress(h11.RemoteProtocolError, OSError):
                while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        connection.receive_data(await reader.read(65536))
                    elif isinstance(event, h11.Request):
                        on_request(Forwarded(event.method.decode(), event.target.decode(), _headers(event)))
                    elif isinstance(event, h11.ConnectionClosed):
                        return
                headers = [("content-length", "0"), ("connection", "close")]
                writer.write(connection.send(h11.Response(status_code=200, headers=headers)) or b"")
                await writer.drain()
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, socket)


def _headers(event: h11.Request | h11.Response) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
