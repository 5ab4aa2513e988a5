"""Reading trails: all lines of a chain in order, the newest ones of all chains, those that a question is about."""

import heapq
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from audit import files
from audit.chain import LARGEST

Event = Mapping[str, Any]
"""A line as it was written."""
WAIT_SECONDS = 1.0
"""For a writer in the middle of a line."""
LONGEST = 1 << 20
"""Bytes read as one line; what is longer is none of ours."""
BLOCK = 64 << 10


def lines(directory: Path, writer: str) -> Iterator[tuple[str, bytes]]:
    """Every line of a chain as it stands there, with its ``file:line``, oldest first. Raises OSError."""
    with files.opened(directory, writer, WAIT_SECONDS) as found:
        for file, size in found:
            number, left = 0, size
            while left > 0 and (raw := file.readline(min(left, LONGEST))):
                number, left = number + 1, left - len(raw)
                yield f"{file.name}:{number}", raw


@dataclass(frozen=True)
class Question:
    """Which events are wanted: those with these values in these fields, from ``since`` to before ``until``.

    The times are written as those of the lines are.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    since: str = ""
    until: str = "~"

    def wants(self, event: Event) -> bool:
        """Is it one of them?"""
        return self.since <= event["time"] < self.until and all(
            str(event.get(name)) == value for name, value in self.fields.items()
        )


def search(directory: Path, question: Question) -> Iterator[Event]:
    """The events of all chains that are wanted, by time; one line of each chain is in memory. Raises OSError."""
    chains = [_events(directory, writer) for writer in files.writers(directory)]
    return filter(question.wants, heapq.merge(*chains, key=itemgetter("time")))


def _events(directory: Path, writer: str) -> Iterator[Event]:
    for _, raw in lines(directory, writer):
        if (event := _event(raw)) is not None:
            yield event


def _event(raw: bytes) -> Event | None:
    """A line to be shown; None when it cannot be: what is wrong with it is for :mod:`audit.verifier` to say."""
    try:
        event = orjson.loads(raw)
        return event if isinstance(event["time"], str) and isinstance(event["event"], str) else None
    except (ValueError, KeyError, TypeError):
        return None


def _last(file: BinaryIO, size: int, count: int) -> tuple[list[bytes], int]:
    """The last complete lines of a file, read from its end, and where the last one ends."""
    content, position, longest = b"", size, (count + 1) * (LARGEST + BLOCK)
    while position and content.count(b"\n") <= count and len(content) < longest:
        step = min(BLOCK, position)
        position -= step
        content = os.pread(file.fileno(), step, position) + content
    *found, rest = content.split(b"\n")
    return found[-count:] if count else [], size - len(rest)


class Tail:
    """The newest lines of all chains, and then those that come. A context manager, for the files it has open."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, BinaryIO] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Tail":
        """Nothing is open yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self._stack.close()

    def newest(self, count: int) -> list[Event]:
        """The last ``count`` events of all chains together, by time. Raises OSError."""
        found: list[Event] = []
        for writer in files.writers(self._directory):
            newest: list[bytes] = []
            with files.opened(self._directory, writer, WAIT_SECONDS) as present:
                for file, size in reversed(present):
                    before, end = _last(file, size, count - len(newest))
                    if writer not in self._files:
                        self._keep(writer, Path(file.name), end)
                    newest = before + newest
            found += [event for raw in newest if (event := _event(raw)) is not None]
        return sorted(found, key=itemgetter("time"))[-count:] if count else []

    def news(self) -> list[Event]:
        """What was written since the last call, by time. Raises OSError."""
        found: list[Event] = []
        for writer in files.writers(self._directory):
            if writer not in self._files:
                paths = [*files.rotated(self._directory, writer), files.active(self._directory, writer)]
                self._keep(writer, next(path for path in paths if path.exists()), 0)
            found += self._news_of(writer)
        return sorted(found, key=itemgetter("time"))

    def _news_of(self, writer: str) -> Iterator[Event]:
        while True:
            file = self._files[writer]
            if os.fstat(file.fileno()).st_size < file.tell():  # a torn line was set aside, or a hand cut it
                file.seek(0, os.SEEK_END)
            position = file.tell()
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                position += len(raw)
                if (event := _event(raw)) is not None:
                    yield event
            file.seek(position)
            following = self._after(writer, file)
            if following is None:
                return
            self._keep(writer, following, 0)

    def _after(self, writer: str, file: BinaryIO) -> Path | None:
        """The file that was begun when this one was full; None while this one is the newest."""
        paths = [*files.rotated(self._directory, writer), files.active(self._directory, writer)]
        present = [path for path in paths if path.exists()]
        own = os.fstat(file.fileno())
        for index, path in enumerate(present):
            if os.path.samestat(own, path.stat()):
                return present[index + 1] if index + 1 < len(present) else None
        return present[0] if present else None

    def _keep(self, writer: str, path: Path, position: int) -> None:
        if (before := self._files.get(writer)) is not None:
            before.close()
        file = self._stack.enter_context(path.open("rb"))
        file.seek(position)
        self._files[writer] = file
