"""HTTP/1.1 requests out of bytes (RFC 9112): Content-Length and chunked bodies, pipelining. No I/O.

Ambiguous framing is refused, never guessed: whatever stands in front must not see other requests than this does.
"""

import re
from typing import NamedTuple

MAX_HEAD = 32 * 1024
"""Bytes of request line and headers, and of trailers; one more is answered with 431."""
MAX_HEADERS = 100
MAX_BODY = 1024 * 1024
"""Bytes of a decoded body; one more is answered with 413."""
MAX_CHUNK_LINE = 256

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") (/[\x21-\x7e]*) HTTP/(\d\.\d)")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):([^\x00-\x08\x0a-\x1f\x7f]*)")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")


class HttpError(Exception):
    """A request that is answered with ``status`` (400 to 599), a sentence, and further response headers."""

    def __init__(self, status: int, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


class Request(NamedTuple):
    """One request: ``target`` as sent (path and query, never decoded), headers in order, names as sent."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    keep_alive: bool


class RequestParser:
    """Bytes in, requests out; no I/O."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body = bytearray()
        self._head: Request | None = None
        self._length: int | None = None
        self.expects_continue = False
        """True while the client waits for ``100 Continue`` before it sends the body; the reader resets it."""

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken into a request."""
        return len(self._buffer)

    @property
    def idle(self) -> bool:
        """Nothing of a further request has come yet."""
        return self._head is None and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """The next complete request, None when more bytes are needed. Raises HttpError; the stream is lost then."""
        if self._head is None:
            self._head = self._take_head()
            if self._head is None:
                return None
        if not (self._take_chunked() if self._length is None else self._take_sized(self._length)):
            return None
        request = self._head._replace(body=bytes(self._body)) if self._body else self._head
        self._head, self._body, self.expects_continue = None, bytearray(), False
        return request

    def _take_head(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise HttpError(431, f"the request head is larger than {MAX_HEAD} bytes")
            return None
        request_line, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        start = _REQUEST_LINE.fullmatch(request_line)
        if start is None:
            raise HttpError(400, "malformed request line")
        if start[3] != b"1.1":
            raise HttpError(505, "only HTTP/1.1 is spoken here")
        if len(lines) > MAX_HEADERS:
            raise HttpError(431, f"more than {MAX_HEADERS} headers")
        headers: list[tuple[str, str]] = []
        by_name: dict[str, list[str]] = {}
        for line in lines:
            field = _HEADER.fullmatch(line)
            if field is None:
                raise HttpError(400, "malformed header")
            name, value = field[1].decode("ascii"), field[2].decode("latin-1").strip(" \t")
            headers.append((name, value))
            by_name.setdefault(name.lower(), []).append(value)
        if len(by_name.get("host", ())) != 1:
            raise HttpError(400, "exactly one Host header is needed")
        self._length = _body_length(by_name)
        if self._length is not None and self._length > MAX_BODY:
            raise HttpError(413, f"the body is larger than {MAX_BODY} bytes")
        self.expects_continue = "100-continue" in (v.lower() for v in by_name.get("expect", ()))
        options = {option.strip().lower() for v in by_name.get("connection", ()) for option in v.split(",")}
        return Request(start[1].decode("ascii"), start[2].decode("ascii"), headers, b"", "close" not in options)

    def _take_sized(self, length: int) -> bool:
        if len(self._buffer) < length:
            return False
        self._body += self._buffer[:length]
        del self._buffer[:length]
        return True

    def _take_chunked(self) -> bool:
        while True:
            line_end = self._buffer.find(b"\r\n", 0, MAX_CHUNK_LINE)
            if line_end < 0:
                if len(self._buffer) >= MAX_CHUNK_LINE:
                    raise HttpError(400, "malformed chunk size")
                return False
            match = _CHUNK_SIZE.fullmatch(self._buffer[:line_end])
            if match is None:
                raise HttpError(400, "malformed chunk size")
            size = int(match[1], 16)
            if size == 0:
                return self._drop_trailers(line_end)
            if size > MAX_BODY - len(self._body):
                raise HttpError(413, f"the body is larger than {MAX_BODY} bytes")
            start, stop = line_end + 2, line_end + 2 + size
            if len(self._buffer) < stop + 2:
                return False
            if self._buffer[stop : stop + 2] != b"\r\n":
                raise HttpError(400, "malformed chunk")
            self._body += self._buffer[start:stop]
            del self._buffer[: stop + 2]

    def _drop_trailers(self, line_end: int) -> bool:
        end = self._buffer.find(b"\r\n\r\n", line_end, line_end + MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= line_end + MAX_HEAD:
                raise HttpError(431, f"the trailers are larger than {MAX_HEAD} bytes")
            return False
        del self._buffer[: end + 4]
        return True


def _body_length(by_name: dict[str, list[str]]) -> int | None:
    """Length of the body, None when it is chunked (RFC 9112 section 6.3, its lenient cases refused)."""
    lengths, encodings = by_name.get("content-length", []), by_name.get("transfer-encoding", [])
    if encodings:
        if lengths:
            raise HttpError(400, "Content-Length and Transfer-Encoding together")
        if [encoding.lower() for encoding in encodings] != ["chunked"]:
            raise HttpError(501, "the only transfer coding known is chunked")
        return None
    if not lengths:
        return 0
    if len(lengths) != 1 or not _CONTENT_LENGTH.fullmatch(lengths[0]):
        raise HttpError(400, "malformed Content-Length")
    return int(lengths[0])
