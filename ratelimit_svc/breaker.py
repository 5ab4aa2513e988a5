"""A circuit breaker: after enough failures in a row nobody waits for the far side until a probe has succeeded."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

FAILURES = 3
"""Failures in a row that open it: one slow answer, during a save for example, must not."""
PAUSE_SECONDS = 0.25
"""Between two probes while it is open."""


def _root(error: BaseException) -> str:
    """What kind of error it was at first: a wrong password is a connection error to redis-py. Nothing of its text."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


class Breaker:
    """Closed: calls go through. Open: they do not, and ``probe`` is tried in the background until it succeeds.

    ``probe`` raises when the far side is not well. ``on_change`` is told every new state: True is closed.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]], on_change: Callable[[bool], None]) -> None:
        self._probe, self._on_change = probe, on_change
        self._failures = 0
        self._closed = asyncio.Event()
        self._prober: asyncio.Task[None] | None = None
        self._set_closed()

    @property
    def closed(self) -> bool:
        """Whether calls go through."""
        return self._closed.is_set()

    async def wait_closed(self) -> None:
        """Return when calls go through."""
        await self._closed.wait()

    def succeeded(self) -> None:
        """An exchange went well."""
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        """An exchange failed."""
        self._failures += 1
        if self._failures >= FAILURES:
            self.open(error)

    def open(self, error: BaseException) -> None:
        """Let nothing through from now on, and start to probe."""
        if not self.closed:
            return
        self._closed.clear()
        self._on_change(False)
        log.error("the store is away", extra={"error": _root(error)})
        self._prober = asyncio.create_task(self._probe_until_well())

    async def _probe_until_well(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await self._probe()
            except Exception as error:  # noqa: BLE001 - any failure means: not yet
                log.debug("the store is still away", extra={"error": _root(error)})
            else:
                self._set_closed()
                log.info("the store is back")
                return

    def _set_closed(self) -> None:
        self._failures = 0
        self._closed.set()
        self._on_change(True)

    async def close(self) -> None:
        """Stop probing."""
        if self._prober is not None and not self._prober.done():
            self._prober.cancel()
            await asyncio.wait([self._prober])
