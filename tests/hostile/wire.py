"""A client that sends bytes as they are and reads answers one after the other."""

import json
import socket
from dataclasses import dataclass
from typing import Any, BinaryIO


@dataclass(frozen=True)
class Answer:
    """One answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """The problem that it tells; it must have the shape that every error has."""
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        assert {"type", "title", "status", "detail", "request_id"} <= set(problem)
        assert problem["status"] == self.status
        return problem


def read(stream: BinaryIO, *, bodiless: bool = False) -> Answer | None:
    """The next answer; None when the connection is closed instead."""
    try:
        line = stream.readline()
    except ConnectionResetError:
        return None
    if not line:
        return None
    version, status = line.split(b" ")[:2]
    assert version == b"HTTP/1.1"
    headers: dict[str, str] = {}
    while (line := stream.readline()) not in {b"\r\n", b""}:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length = 0 if bodiless else int(headers.get("content-length", 0))
    return Answer(int(status), headers, stream.read(length))


def exchange(connection: socket.socket, sent: bytes) -> list[Answer]:
    """Every answer until the gateway closes the connection, which it must do."""
    connection.sendall(sent)
    with connection.makefile("rb") as stream:
        return list(iter(lambda: read(stream), None))
