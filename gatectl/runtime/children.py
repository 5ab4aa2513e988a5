"""All child processes of a supervisor, in the order in which they were started."""

import time
from collections.abc import Callable

from gatectl.diagnostics import GatectlError
from gatectl.runtime.processes import Child, Program
from gatectl.runtime.stop_signals import StopFlag, StopRequestedError

POLL_SECONDS = 0.05
TICK_SECONDS = 0.1
"""How often they are looked after."""


class Children:
    """Starts, watches and stops them. ``secrets`` are struck from what is shown of their logs."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._children: list[Child] = []
        self.secrets: list[str] = []

    @property
    def empty(self) -> bool:
        """Whether there is none."""
        return not self._children

    def start(self, program: Program) -> None:
        """Start one. Raises GatectlError when that is not possible."""
        child = Child(program)
        try:
            child.start()
        except OSError as error:
            raise GatectlError(f"{program.name} cannot be started: {error.strerror}") from None
        self._children.append(child)

    def wait(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until ``ready()``. Raises StopRequestedError, and GatectlError when a child ends or time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                late = next(child for child in self._children if child.program.name == name)
                raise GatectlError(f"{name} was not ready after {seconds:g} seconds{self._log_of(late)}", 5)
            time.sleep(POLL_SECONDS)
        self.check()  # somebody else may have answered in its place

    def check(self) -> None:
        """Raise StopRequestedError when we are to end, GatectlError when a child has ended."""
        if self._stop.requested:
            raise StopRequestedError
        for child in self._children:
            how = child.ended()
            if how is not None:
                raise GatectlError(f"{child.program.name} {how}{self._log_of(child)}")

    def look_after(self, on_progress: Callable[[str], None], beside: Callable[[], None] = lambda: None) -> None:
        """Start again what dies, until we are to end; in between, do what is to be done ``beside``."""
        while not self._stop.requested:
            for child in self._children:
                sentence = child.keep_alive()
                if sentence is not None:
                    on_progress(sentence)
            beside()
            time.sleep(TICK_SECONDS)

    def stop(self) -> None:
        """Stop all, the last one first."""
        while self._children:
            self._children.pop().stop()

    def _log_of(self, child: Child) -> str:
        text = child.tail()
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return f"; the end of {child.log}:\n{text}" if text else f"; {child.log} is empty"
