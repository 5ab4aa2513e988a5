"""The HTTP side of a service: /metrics (Prometheus), /status and /healthz, for all workers together."""

import json
import logging
import socket
import socketserver
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

log = logging.getLogger(__name__)

Body = tuple[int, str, bytes]
"""HTTP status, content type, body."""

Page = Callable[[], Body]
"""Makes the answer anew for each request, in a thread of its own."""

CLIENT_SECONDS = 5
"""A client that says nothing for so long is hung up on: it must not hold a thread."""

CLOSE_SECONDS = 0.1
"""How long closing may take."""


def json_body(status: int, document: Mapping[str, Any]) -> Body:
    """A JSON answer."""
    return status, "application/json", json.dumps(document).encode() + b"\n"


class Endpoint:
    """Serves GET and HEAD on a fixed set of paths from a thread of its own, so that a busy service still answers."""

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Page]) -> None:
        """Binds at once; an IPv6 host comes without brackets. Raises OSError when the address cannot be had."""

        class Handler(BaseHTTPRequestHandler):
            server_version = "gatectl"
            sys_version = ""
            timeout = CLIENT_SECONDS

            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                try:
                    status, content_type, body = page() if page else json_body(404, {"pages": sorted(pages)})
                except Exception as error:
                    log.exception("page failed")
                    status, content_type, body = json_body(500, {"error": type(error).__name__})
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - http.server's name

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
                """Scrapes are no news."""

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            daemon_threads = True
            request_queue_size = 128  # by default 5: a sixth client at once would have to knock again a second later
            allow_reuse_port = False  # a second service must be told that the address is taken

            def server_bind(self) -> None:
                # not HTTPServer's own: that one asks DNS for its name, which may take long and serves nothing here
                socketserver.TCPServer.server_bind(self)

            def handle_error(self, *_: object) -> None:
                """A client that hung up; the inherited way prints a traceback."""
                log.debug("client lost", exc_info=sys.exception())

        self._server = Server(address, Handler)
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(CLOSE_SECONDS,), name="endpoint", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port. Only after :meth:`start`."""
        self._server.shutdown()
        self._server.server_close()
