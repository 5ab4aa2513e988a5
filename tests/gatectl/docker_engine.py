"""A stand-in for the Docker engine on a unix socket: it records what it is asked for and runs nothing.

The API is that of docs.docker.com/reference/api/engine; only what validating needs is there.
"""

import http.server
import io
import json
import re
import socketserver
import tarfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

CONTAINER = {
    "Id": "c0ffee",
    "Name": "/validate",
    "Config": {"Tty": False},
    "HostConfig": {"LogConfig": {"Type": "json-file"}},
}


class Engine:
    """``with Engine(path) as engine``: ``calls`` are the requests in order, ``files`` what was copied in."""

    def __init__(
        self, socket: Path, *, has_image: bool = True, code: int = 0, logs: str = "", fails_at: str = ""
    ) -> None:
        self.host = f"unix://{socket}"
        self.has_image, self.code, self.logs, self.fails_at = has_image, code, logs, fails_at
        self.calls: list[str] = []
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self._server = _Server(str(socket), _Handler)
        self._server.engine = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Engine":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, call: str, query: str, body: bytes) -> tuple[int, Any]:
        """Status, and a document or bytes."""
        self.calls.append(call)
        if call == self.fails_at:
            return 500, {"message": f"{call} went wrong"}
        if call == "POST /containers/create":
            self.created = json.loads(body)
        elif call == "PUT /containers/c0ffee/archive":
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                for entry in archive:
                    file = archive.extractfile(entry)
                    assert file is not None
                    self.files[f"{query} {entry.name}"] = file.read()
        logs = self.logs.encode()
        answers: dict[str, tuple[int, Any]] = {
            "GET /version": (200, {"ApiVersion": "1.45", "Version": "26"}),
            "POST /containers/create": (201, {"Id": "c0ffee"})
            if self.has_image
            else (404, {"message": "No such image"}),
            "GET /containers/c0ffee/json": (200, CONTAINER),
            "PUT /containers/c0ffee/archive": (200, {}),
            "POST /containers/c0ffee/start": (204, b""),
            "POST /containers/c0ffee/wait": (200, {"StatusCode": self.code}),
            "GET /containers/c0ffee/logs": (200, b"\x02\0\0\0" + len(logs).to_bytes(4) + logs),
            "DELETE /containers/c0ffee": (204, b""),
        }
        return answers.get(call, (404, {"message": f"the stand-in does not know {call}"}))


class _Server(socketserver.ThreadingUnixStreamServer):
    engine: Engine
    daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _JSON: ClassVar = "application/json"

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, content = self.server.engine.answer(f"{self.command} {re.sub('^/v[0-9.]+', '', path)}", query, body)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/octet-stream" if isinstance(content, bytes) else self._JSON)
        if status != 204:
            self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library looks for these names

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the library
        """Say nothing."""
