"""Ctrl-C, SIGTERM and the end of the terminal: noticed at once, obeyed where it is safe."""

import contextlib
import signal
from collections.abc import Iterator

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequestedError(Exception):
    """Leaves whatever is being waited for."""


class StopFlag:
    """Whether somebody wants us to end. No threading.Event: a signal handler that takes a lock can find it taken."""

    requested = False


@contextlib.contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """A flag that the signals raise while the block lasts. Main thread only."""
    flag = StopFlag()

    def request(*_: object) -> None:
        flag.requested = True

    # what is ignored was meant to be: nohup, or a background job of a script
    before = {number: handler for number in NUMBERS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, request)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
