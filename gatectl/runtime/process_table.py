"""What the kernel tells about processes. Where there is no /proc less is known, but nothing wrong is said."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


def started(pid: int) -> str | None:
    """When a process started, as a text to compare; None when it has ended, waited for or not.

    With it a pid names one process for good: the pid alone may be somebody else's by now.
    """
    if not _PROC.joinpath("self").exists():
        return _started_by_ps(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    state, *fields = stat.rpartition(b")")[2].split()  # the name before it may hold blanks and brackets
    return None if state in {b"Z", b"X"} else fields[18].decode()


def _started_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    state, _, start = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    return None if not start or state.startswith("Z") else start.strip()


def marked(entry: str) -> Iterator[int]:
    """The processes whose environment was started with ``NAME=value``, grandchildren included. Linux only."""
    wanted = entry.encode()
    for environ in _PROC.glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another user's, or gone
            if wanted in environ.read_bytes().split(b"\0"):
                yield int(environ.parent.name)


def listener(port: int) -> str | None:
    """Who listens on a TCP port, as ``pid 1234 (nginx)``; None when the kernel does not tell us."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for descriptor in _PROC.glob("[0-9]*/fd/*") if sockets else ():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in sockets:
                process = descriptor.parent.parent
                return f"pid {process.name} ({(process / 'comm').read_text(errors='replace').strip()})"
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
                if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                    yield inode
