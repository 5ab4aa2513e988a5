"""Writing a chain that other processes write too: each batch under a lock, after whatever line is the last by then."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from audit import files
from audit.chain import CUT, GENESIS, ROTATED, TORN, Link, read, seal

MAX_BYTES = 64 << 20
"""Size at which a file is full, by default."""
KEEP = 10
"""Full files kept, by default."""


class Entry(NamedTuple):
    """Something that happened at ``seconds`` (Unix time), before it has a place in a chain."""

    seconds: float
    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _End:
    """What the active file was when we left it."""

    inode: int
    size: int
    link: Link


class Writer:
    """The chain ``writer`` in ``directory``, made for its owner only when it is not there.

    A file is full at ``max_bytes``; of the full ones the newest ``keep`` stay. For one thread at a time.
    """

    def __init__(self, directory: Path, writer: str, *, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> None:
        self._directory, self._writer = directory, writer
        self._max_bytes, self._keep = max_bytes, keep
        self._end: _End | None = None

    def append(self, entries: Sequence[Entry], *, wait: float, sync: bool = False) -> None:
        """Write all of them, or none; ``sync``: they survive a loss of power from here on.

        Raises TimeoutError when another process holds the chain for more than ``wait`` seconds, OSError when it cannot
        be written.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.locked(self._directory, self._writer, wait):
            with self._opened() as descriptor:
                link, notes = self._recover(descriptor, entries[0].seconds)
                size = os.fstat(descriptor).st_size
                content, link = self._sealed(link, [*notes, *entries])
                if size + len(content) <= self._max_bytes or not size:
                    self._write(descriptor, size, content, link, sync=sync)
                    return
            self._rotate([*notes, *entries], sync=sync)

    def _recover(self, descriptor: int, now: float) -> tuple[Link, list[Entry]]:
        """The last line that there is, whoever wrote it, and what has to be noted. A torn line is set aside."""
        found = os.fstat(descriptor)
        known = self._end
        if known is not None and (known.inode, known.size) == (found.st_ino, found.st_size):
            return known.link, []
        notes = []
        link, rest = files.last_link(descriptor, found.st_size)
        if rest:
            line = read(rest)
            if line is not None and line.whole:  # nothing is missing but the newline
                os.write(descriptor, b"\n")
                link = line.link
            else:
                self._set_aside(rest)
                os.ftruncate(descriptor, found.st_size - len(rest))
                notes.append(Entry(now, TORN, {"bytes": len(rest), "sha256": sha256(rest).hexdigest()}))
        if link is None:
            older = files.rotated(self._directory, self._writer)
            link = (files.last_link_of(older[-1]) if older else None) or GENESIS
        if known is not None and link.seq < known.link.seq:
            notes.append(Entry(now, CUT, {"written": known.link.seq, "written_hash": known.link.hash}))
        return link, notes

    def _set_aside(self, rest: bytes) -> None:
        path = self._directory / f"{self._writer}.torn"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, rest + b"\n")
        finally:
            os.close(descriptor)

    def _rotate(self, entries: Sequence[Entry], *, sync: bool) -> None:
        """Put the full file aside, and begin a new one that says which lines are no longer kept."""
        full = files.active(self._directory, self._writer)
        first, last = files.first_line(full), files.last_link_of(full)
        older = files.rotated(self._directory, self._writer)
        full.rename(files.rotated_name(self._directory, self._writer, first.link.seq if first else 0))
        dropped = older[: max(0, len(older) + 1 - self._keep)]
        gone = files.last_link_of(dropped[-1]) if dropped else None
        fields = {"dropped_through": gone.seq, "dropped_hash": gone.hash} if gone else {}
        content, link = self._sealed(last or GENESIS, [Entry(entries[0].seconds, ROTATED, fields), *entries])
        with self._opened() as descriptor:
            self._write(descriptor, 0, content, link, sync=sync)
        for path in dropped:  # only now: what is gone without a word was removed by somebody else
            path.unlink(missing_ok=True)

    def _sealed(self, link: Link, entries: Sequence[Entry]) -> tuple[bytes, Link]:
        lines = []
        for entry in entries:
            line, link = seal(link, entry.seconds, self._writer, entry.event, entry.fields)
            lines.append(line)
        return b"".join(lines), link

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(files.active(self._directory, self._writer), flags, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, size: int, content: bytes, link: Link, *, sync: bool) -> None:
        """All or nothing: half a batch, as on a full disk, is taken back."""
        try:
            written = 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
            if sync:
                os.fsync(descriptor)
                if not size:  # a file that is new has a name to lose
                    self._sync_directory()
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        self._end = _End(os.fstat(descriptor).st_ino, size + len(content), link)
