"""Upstreams that speak TLS, and remember what reached them."""

import socket
import ssl
import threading
from pathlib import Path
from typing import Self

from tests.gatectl.authorities import Certified

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class TlsUpstream:
    """Listens on 127.0.0.1 and answers 200. ``heard`` is every byte that came through TLS."""

    def __init__(self, directory: Path, own: Certified, client_ca: Certified | None = None) -> None:
        chain, key = own.write(directory, f"upstream-{own.serial}")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain, key)
        self._context.set_alpn_protocols(["h2", "http/1.1"])
        self._context.sni_callback = self._named
        if client_ca is not None:
            self._context.load_verify_locations(cadata=client_ca.pem().decode())
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard = b""
        self.asked_for: list[str | None] = []
        self.protocols: list[str | None] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _named(self, _: object, name: str | None, __: object) -> None:
        self.asked_for.append(name)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection, self._context.wrap_socket(connection, server_side=True) as tls:
                self.protocols.append(tls.selected_alpn_protocol())
                while data := tls.recv(65536):
                    self.heard += data
                    tls.sendall(_ANSWER)
        except OSError:  # refused by one of the two: that is what is tested
            pass
