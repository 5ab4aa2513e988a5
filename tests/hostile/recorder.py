"""The upstream of the gateway under attack: writes down what reaches it, and answers 200."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import h11

from tests.connections import hang_up

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """One request as the upstream got it; names of headers in lower case, trailers at the end."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Every value of a header or trailer."""
        return [value for key, value in self.headers if key == name]


class Recorder:
    """``with Recorder() as upstream``: serves on ``upstream.port`` from a thread of its own.

    On ``upstream.streams_port`` it speaks HTTP/2.
    """

    def __init__(self) -> None:
        self.port = self.streams_port = 0
        self.broken: list[str] = []
        """What came and was no HTTP/1.1."""
        self._seen: list[Seen] = []
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._connections: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run)

    def take(self) -> list[Seen]:
        """What came since the last time."""
        seen, self._seen = self._seen, []
        return seen

    def __enter__(self) -> "Recorder":
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(lambda r, w: self._connection(r, w, self._talk), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        streams = await asyncio.start_server(lambda r, w: self._connection(r, w, self._talk_http2), "127.0.0.1", 0)
        self.streams_port = streams.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        await hang_up((server, streams), self._connections)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, talk: Talk) -> None:
        self._connections.add(writer)
        try:
            with contextlib.suppress(OSError):
                await talk(reader, writer)
        finally:
            writer.close()
            self._connections.discard(writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        request: h11.Request | None = None
        body = b""
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                if not reader.at_eof():  # a request that is cut off is not malformed, and nothing to act on
                    self.broken.append(str(error))
                return
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                self._seen.append(_seen(request, event, body))
                head = connection.send(h11.Response(status_code=200, headers=[("content-length", "2")])) or b""
                said = b"ok" if request.method != b"HEAD" else b""
                if said:
                    connection.send(h11.Data(data=said))
                connection.send(h11.EndOfMessage())
                writer.write(head + said)
                await writer.drain()
                if connection.our_state is not h11.DONE:
                    return
                connection.start_next_cycle()
            else:
                return

    async def _talk_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False)
        )
        connection.initiate_connection()
        headers: dict[int, list[tuple[str, str]]] = {}
        while True:
            writer.write(connection.data_to_send())
            received = await reader.read(65536)
            if not received:
                return
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.RequestReceived | h2.events.TrailersReceived):
                    headers.setdefault(event.stream_id, []).extend(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    got = headers.pop(event.stream_id)
                    pseudo = dict(got[:4])
                    self._seen.append(Seen(pseudo[":method"], pseudo[":path"], tuple(got), b""))
                    connection.send_headers(event.stream_id, [(":status", "200")], end_stream=True)


def _seen(request: h11.Request, end: h11.EndOfMessage, body: bytes) -> Seen:
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in (*request.headers, *end.headers)
    )
    return Seen(request.method.decode("latin-1"), request.target.decode("latin-1"), headers, body)
