"""The rehearsal's Envoy: a process that dies with us, and its access log, one line a request."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.request import Answer, Request
from gatectl.rehearsal.wire import connect, send
from gatectl.runtime import launch

START_SECONDS = 30.0
ANSWER_SECONDS = 15.0
"""Longest wait for an answer, the patience with the services included."""
POLL_SECONDS = 0.005
LONGEST_LINE = 4 << 20
"""Bytes of a line of the access log."""
FLUSH_MS = 2
"""Envoy keeps its access log to itself for ten seconds by default."""
OPTIONS = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "error")


class Envoy:
    """A running Envoy. One request at a time."""

    def __init__(self, socket: Path, log: asyncio.StreamReader) -> None:
        self._socket, self._log = socket, log

    async def ask(self, request: Request) -> tuple[Answer, dict[str, Any]]:
        """The answer to a request, and its line in the access log. Raises GatectlError."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await connect(self._socket, request.address)
                try:
                    answer = await send(reader, writer, request)
                finally:
                    writer.close()
                return answer, await self._line(answer.header("x-request-id"))
        except TimeoutError:
            raise GatectlError(f"the rehearsal's Envoy did not answer within {ANSWER_SECONDS:g} s", 5) from None
        except (OSError, ValueError) as error:
            raise GatectlError(f"the rehearsal's Envoy ended unexpectedly: {error}") from None

    async def _line(self, request_id: str | None) -> dict[str, Any]:
        """The line of a request; one that was refused before it had an id has the next line without one."""
        while True:
            line: dict[str, Any] = json.loads(await self._log.readline())
            if line["request_id"] == request_id:
                return line


@contextlib.asynccontextmanager
async def run_envoy(binary: Path, directory: Path, configuration: bytes, socket: Path) -> AsyncIterator[Envoy]:
    """Start Envoy on ``configuration``; it is killed when the block ends, and by the kernel when we die in it.

    Raises GatectlError with Envoy's own words when it does not start.
    """
    config, errors = directory / "envoy.json", directory / "envoy.log"
    config.write_bytes(configuration)
    command = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(binary), "-c", str(config)]
    with errors.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            *OPTIONS,
            "--file-flush-interval-msec",
            str(FLUSH_MS),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for us alone
        )
    assert process.stdout is not None
    try:
        await _started(process, socket, errors)
        config.unlink()  # what it holds of the environment need not outlive us, whatever kills us
        yield Envoy(socket, process.stdout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _started(process: asyncio.subprocess.Process, socket: Path, errors: Path) -> None:
    """Wait until somebody accepts connections. Raises GatectlError."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_unix_connection(socket)
                    writer.close()
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise GatectlError(f"Envoy was not ready for a rehearsal after {START_SECONDS:g} s", 5) from None
    raise GatectlError(f"Envoy did not start for a rehearsal; `gatectl validate` says more: {_end_of(errors)}")


def _end_of(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-1000:].split())
