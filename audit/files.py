"""Where the lines of a chain are: ``<writer>.jsonl``, and older files ``<writer>.<number of the first line>.jsonl``.

Beside them: ``<writer>.lock``, held while a process writes, and ``<writer>.torn``, which keeps what a crash cut in two.
"""

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from audit.chain import LARGEST, Line, Link, read

_NAME = re.compile(r"([a-z][a-z0-9_]*)(?:\.([0-9]{12,20}))?\.jsonl")
TAIL_BYTES = 4 * LARGEST
"""What is read of a file's end to find its last whole line."""
LOOK_SECONDS = 0.02
"""How often a lock is tried that somebody else holds."""


def active(directory: Path, writer: str) -> Path:
    """The file that is written to."""
    return directory / f"{writer}.jsonl"


def rotated(directory: Path, writer: str) -> list[Path]:
    """The older files of a chain, oldest first. Raises OSError."""
    found = [(int(match[2]), directory / match[0]) for match in _names(directory) if match[1] == writer and match[2]]
    return [path for _, path in sorted(found)]


def rotated_name(directory: Path, writer: str, first: int) -> Path:
    """What the active file is called once it is full; ``first`` is the number of its first line."""
    return directory / f"{writer}.{first:012d}.jsonl"


def writers(directory: Path) -> list[str]:
    """Everybody who has a chain here. Raises OSError."""
    return sorted({match[1] for match in _names(directory)})


def _names(directory: Path) -> Iterator[re.Match[str]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if match := _NAME.fullmatch(entry.name):
                yield match


@contextmanager
def opened(directory: Path, writer: str, wait: float) -> Iterator[list[tuple[BinaryIO, int]]]:
    """Every file of a chain, open for reading, oldest first; with its size when nobody was in the middle of a line.

    A lock that cannot be had within ``wait`` seconds, or at all (a copy on a read-only medium), is done without.
    Raises OSError.
    """
    with ExitStack() as stack:
        with ExitStack() as lock:
            with suppress(OSError):
                lock.enter_context(locked(directory, writer, wait, shared=True))
            found: list[tuple[BinaryIO, int]] = []
            for path in (*rotated(directory, writer), active(directory, writer)):
                with suppress(FileNotFoundError):  # a writer that died while it began a new file left no active one
                    file = stack.enter_context(path.open("rb"))
                    found.append((file, os.fstat(file.fileno()).st_size))
        yield found


@contextmanager
def locked(directory: Path, writer: str, wait: float, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a chain. Raises TimeoutError after ``wait`` seconds, OSError when there can be no lock."""
    path, deadline = directory / f"{writer}.lock", time.monotonic() + wait
    while (descriptor := _try_lock(path, shared=shared)) is None:
        if time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another process holds the lock", str(path))
        time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock(path: Path, *, shared: bool) -> int | None:
    flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        if _is(descriptor, path):  # else somebody removed the directory meanwhile, and this locks nothing
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def first_line(path: Path) -> Line | None:
    """The first line; None when it is damaged. Raises OSError."""
    with path.open("rb") as file:
        return read(file.readline(2 * LARGEST).removesuffix(b"\n"))


def last_link(descriptor: int, size: int) -> tuple[Link | None, bytes]:
    """The last whole line of the first ``size`` bytes of a file, and what follows after the last newline.

    Damaged lines are passed over: they are for whoever verifies the chain. Raises OSError.
    """
    start = max(0, size - TAIL_BYTES)
    *lines, rest = os.pread(descriptor, size - start, start).split(b"\n")
    for raw in reversed(lines):
        line = read(raw)
        if line is not None and line.whole:
            return line.link, rest
    return None, rest


def last_link_of(path: Path) -> Link | None:
    """The last whole line of a file; None without one. Raises OSError."""
    with path.open("rb") as file:
        return last_link(file.fileno(), os.fstat(file.fileno()).st_size)[0]
