"""A client of HTTP/3: one connection, one request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

PATIENCE = 5.0


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[str, str] | None = None
    body: bytes = b""
    serial: int = 0
    """Of the certificate that the server has shown."""


class _Client(QuicConnectionProtocol):
    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._http = H3Connection(self._quic)
        self._answer = Answer()
        self._done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated | StreamReset) and not self._done.done():
            self._done.set_exception(ConnectionError(repr(event)))
        for one in self._http.handle_event(event):
            self._take(one)

    def _take(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            self._answer.headers = {name.decode(): value.decode() for name, value in event.headers}
            self._answer.status = int(self._answer.headers[":status"])
        elif isinstance(event, DataReceived):
            self._answer.body += event.data
        if isinstance(event, HeadersReceived | DataReceived) and event.stream_ended and not self._done.done():
            self._done.set_result(self._answer)

    async def get(self, path: str, headers: Sequence[tuple[str, str]]) -> Answer:
        stream = self._quic.get_next_available_stream_id()
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path), *headers]
        self._http.send_headers(stream, [(name.encode(), value.encode()) for name, value in fields], end_stream=True)
        self.transmit()
        answer = await asyncio.wait_for(self._done, PATIENCE)
        answer.serial = self._quic.tls._peer_certificate.serial_number
        return answer


def get(
    port: int,
    path: str,
    ca: str,
    own: tuple[str, str] | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Ask 127.0.0.1, with the PEM files of a client certificate or without. Raises ConnectionError, TimeoutError."""

    async def ask() -> Answer:
        configuration = QuicConfiguration(
            alpn_protocols=["h3"], cafile=ca, server_name="localhost", idle_timeout=PATIENCE
        )
        if own is not None:
            configuration.load_cert_chain(*own)
        async with connect("127.0.0.1", port, configuration=configuration, create_protocol=_Client) as client:
            assert isinstance(client, _Client)
            return await client.get(path, headers)

    return asyncio.run(ask())
