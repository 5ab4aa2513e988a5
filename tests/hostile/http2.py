"""A client that speaks HTTP/2 without TLS and sends header lists as they are, however wrong."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

Headers = Sequence[tuple[str, str]]
LENIENT = h2.config.H2Configuration(
    header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False
)


@dataclass
class Reply:
    """What came on the stream. ``status`` 0: it was reset, or the connection ended, without an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers_only: bool = False


def head(path: str = "/open", method: str = "GET", authority: str = "fort", scheme: str = "http") -> Headers:
    """The pseudo-headers of a request."""
    return ((":method", method), (":scheme", scheme), (":authority", authority), (":path", path))


def request(sock: socket.socket, headers: Headers, body: bytes | None = None, trailers: Headers = ()) -> Reply:
    """One request on a connection of its own."""
    connection = h2.connection.H2Connection(LENIENT)
    connection.initiate_connection()
    connection.send_headers(1, headers, end_stream=body is None)
    if body is not None:
        connection.send_data(1, body, end_stream=not trailers)
    if trailers:
        connection.send_headers(1, trailers, end_stream=True)
    sock.sendall(connection.data_to_send())
    reply = Reply()
    while True:
        try:
            received = sock.recv(65536)
        except ConnectionResetError:
            return reply
        for event in connection.receive_data(received) if received else (h2.events.ConnectionTerminated(),):
            if isinstance(event, h2.events.ResponseReceived):
                reply.headers = dict(event.headers)
                reply.status = int(reply.headers[":status"])
                reply.trailers_only = event.stream_ended is not None
            elif isinstance(event, h2.events.DataReceived):
                reply.body += event.data
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated):
                return reply
