"""A trail for whoever must not wait: taking an entry costs microseconds, whatever happens to the files."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from audit.chain import LOST
from audit.writer import Entry, Writer

log = logging.getLogger(__name__)

QUEUE = 10_000
"""Entries that may wait to be written."""
BATCH = 1_000
"""Entries written at once."""
LINGER_SECONDS = 0.01
"""How long the thread waits for company of an entry: under load, one batch costs little more than one line."""
WAIT_SECONDS = 0.25
"""For another process that holds the chain, each time."""
RETRY_SECONDS = 0.5
"""Between two tries when the files cannot be written."""
CLOSE_SECONDS = 2.0
"""How long closing waits for what is still in the queue."""


class Trail:
    """Takes entries and writes them from a thread of its own. ``on_lost`` is told how many found no room.

    An entry that cannot be written yet stays in the queue; one that comes when the queue is full is lost, and the next
    line that is written says how many were. To be closed.
    """

    def __init__(self, writer: Writer, on_lost: Callable[[int], None], *, size: int = QUEUE) -> None:
        self._writer, self._on_lost, self._size = writer, on_lost, size
        self._queue: deque[Entry] = deque()
        self._lost, self._counting = 0, threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, event: str, **fields: Any) -> None:
        """Take an entry. Never waits and never raises; ``fields`` must not change any more."""
        if len(self._queue) >= self._size or self._closing.is_set():
            self._count_lost(1)
            return
        self._queue.append(Entry(time.time(), event, fields))
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, within ``CLOSE_SECONDS``; the rest is counted as lost."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)
        if self._queue:
            self._count_lost(len(self._queue))
            log.error("audit lines were lost at the end", extra={"lost": self._lost})

    def _count_lost(self, count: int) -> None:
        with self._counting:
            self._lost += count
        self._on_lost(count)

    def _run(self) -> None:
        while not (self._closing.is_set() and not self._queue):
            self._wake.wait()
            self._closing.wait(LINGER_SECONDS)
            self._wake.clear()
            while self._queue:
                last = self._closing.is_set()  # nobody waits for another try
                if not self._write_batch():
                    if last:
                        return
                    self._closing.wait(RETRY_SECONDS)

    def _write_batch(self) -> bool:
        """The oldest entries, which leave the queue once they are written. Was that possible?"""
        batch, lost = [self._queue[index] for index in range(min(BATCH, len(self._queue)))], self._lost
        notes: list[Entry] = [Entry(batch[0].seconds, LOST, {"lost": lost})] if lost else []
        try:
            self._writer.append([*notes, *batch], wait=WAIT_SECONDS)
        except OSError as error:
            if not self._failing:
                self._failing = True
                log.error("the audit trail cannot be written, entries wait", extra={"reason": error.strerror})
            return False
        if self._failing:
            self._failing = False
            log.warning("the audit trail is written again")
        for _ in batch:
            self._queue.popleft()
        with self._counting:
            self._lost -= lost
        return True
