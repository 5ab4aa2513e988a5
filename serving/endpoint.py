"""The HTTP side of a service: /metrics (Prometheus), /status and /healthz, for all workers together."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Body = tuple[int, str, bytes]
"""HTTP status, content type, body."""


def json_body(status: int, document: Mapping[str, Any]) -> Body:
    """A JSON answer."""
    return status, "application/json", json.dumps(document).encode() + b"\n"


class Endpoint:
    """Serves GET on a fixed set of paths from a thread of its own, so that a busy service still answers."""

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Callable[[], Body]]) -> None:
        """Binds at once. Raises OSError when the address is taken."""

        class Handler(BaseHTTPRequestHandler):
            server_version = "gatectl"
            sys_version = ""
            timeout = 5  # a client that says nothing must not hold a thread

            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                try:
                    status, content_type, body = page() if page else json_body(404, {"pages": sorted(pages)})
                except Exception as error:  # noqa: BLE001 - a broken page is a 500, not a dead thread
                    status, content_type, body = json_body(500, {"error": type(error).__name__})
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
                """Scrapes are no news."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(address, Handler)
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
