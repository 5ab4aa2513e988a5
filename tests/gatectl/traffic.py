"""Requests that never stop, and a backend that answers them: what a change of configuration must not disturb."""

import asyncio
import http.client
import threading
from types import TracebackType

from tests.connections import hang_up


class Backend:
    """An HTTP/1.1 server that answers 200 and its name to everything, on as many ports as wanted."""

    def __init__(self, names: str) -> None:
        self.ports: dict[str, int] = {}
        self._names, self._loop, self._ready = names, asyncio.new_event_loop(), threading.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Backend":
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        servers = []
        for name in self._names:
            server = await asyncio.start_server(lambda r, w, name=name: self._answer(r, w, name), "127.0.0.1", 0)
            self.ports[name] = server.sockets[0].getsockname()[1]
            servers.append(server)
        self._ready.set()
        await self._done.wait()
        await hang_up(servers, self._open)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._open.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{name}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._open.discard(writer)


class Traffic:
    """``with Traffic(port, path)``: one client on one keep-alive connection, some hundred requests a second.

    ``answers`` counts what came back: a status and a body, or the name of an exception.
    """

    PAUSE_SECONDS = 0.002

    def __init__(self, port: int, path: str) -> None:
        self.answers: dict[str, int] = {}
        self._port, self._path = port, path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.wait(self.PAUSE_SECONDS):
            try:
                connection.request("GET", self._path)
                response = connection.getresponse()
                answer = f"{response.status} {response.read().decode()}"
            except (OSError, http.client.HTTPException) as error:
                answer = type(error).__name__
                connection.close()
            self.answers[answer] = self.answers.get(answer, 0) + 1
        connection.close()
