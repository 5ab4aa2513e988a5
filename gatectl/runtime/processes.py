"""A child process: started without a shell, logged to a file, stopped with a deadline, started again when it dies."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.runtime import launch
from gatectl.runtime.lock import Supervisor
from gatectl.runtime.peppers import without_peppers

MARK = "GATECTL_SUPERVISOR"
"""Environment variable that names the supervisor, for finding what one that was killed left behind."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds before a process that died is started again: doubled each time, so that one that cannot run does not spin."""
STEADY_SECONDS = 30.0
"""A process that ran for so long was well: the pauses begin anew."""
TAIL_LINES, TAIL_BYTES = 12, 4096


def mark(supervisor: Supervisor) -> str:
    """The entry in the environment of everything that this supervisor started, directly or not."""
    return f"{MARK}={supervisor.pid} {supervisor.started}"


def tail(log: Path, start: int) -> str:
    """The last lines of a log, none from before byte ``start``."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-TAIL_LINES:])
    return ""


@dataclass(frozen=True)
class Program:
    """What to run. ``argv[0]`` is looked for on the PATH, or in ``cwd`` when it holds a slash.

    ``logs`` is a directory: stdout and stderr are appended to ``<name>.log`` there; ``stdout_log`` is a file of its own
    for stdout. ``stdin`` is what the program reads there, for secrets that belong neither into a file nor into the
    process list.
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    logs: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes = field(default=b"", repr=False)
    stdout_log: str | None = None
    stop_seconds: float = 10.0


class Child:
    """A program and the one process that runs it, if any. To be used from the main thread only.

    (The kernel takes the end of the *thread* that started a process for the end of its parent.)
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.log = program.logs / f"{program.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._started_at = 0.0
        self._pause = FIRST_PAUSE
        self._restart_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Its process, alive or not; None before the first start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process. Raises GatectlError when there is no such program, OSError when no process can be had."""
        assert self._process is None or self._process.poll() is not None, "never two at once"
        program = self.program
        environment = {**_environment(), **program.environment}
        argv = [_find(program, environment["PATH"]), *program.argv[1:]]
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        with _append(self.log) as log, _append(program.logs / (program.stdout_log or self.log.name)) as stdout:
            self._process = subprocess.Popen(
                [*launcher, *argv],
                cwd=program.cwd,
                env=environment,
                stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us alone: we decide who stops when
            )
        self._started_at, self._restart_at = time.monotonic(), None
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:  # it died: we shall see
                stdin.write(program.stdin)

    def ended(self) -> str | None:
        """How it ended, as the end of a sentence; None while it runs."""
        code = self._process.poll() if self._process else None
        if code is None:
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def keep_alive(self) -> str | None:
        """Start it again when it has ended and its pause is over. Returns a sentence for the user at its end."""
        how = self.ended()
        if how is None:
            return None
        now = time.monotonic()
        if self._restart_at is None:
            self._kill_group()  # what it may have left behind would hold its port
            self._pause = FIRST_PAUSE if now - self._started_at > STEADY_SECONDS else self._pause
            self._restart_at = now + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            return f"{self.program.name} {how}, starting it again (log: {self.log})"
        if now >= self._restart_at:
            try:
                self.start()
            except (GatectlError, OSError):  # no memory, or the program is being replaced: the gateway must go on
                self._restart_at = now + LONGEST_PAUSE
        return None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is left of its process group when it has ended or its time is up."""
        if self._process is None or self._restart_at is not None:  # then nothing of it is left
            return
        if self._process.poll() is None:
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.program.stop_seconds)
        self._kill_group()
        self._process.wait()

    def tail(self) -> str:
        """The last lines that it logged since the supervisor started."""
        return tail(self.log, self._log_start)

    def _kill_group(self) -> None:
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, number)


def _environment() -> dict[str, str]:
    """Ours, with the mark, and with our Python's directory first on the PATH, as if its environment were activated."""
    name, _, value = mark(Supervisor.this()).partition("=")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return without_peppers(os.environ) | {"PATH": path, name: value}


def _find(program: Program, path: str) -> str:
    name = program.argv[0]
    found = shutil.which(program.cwd / name if "/" in name else name, path=path)
    if found is None:
        raise GatectlError(f'{program.name} cannot be started: there is no program "{name}"')
    return str(Path(found).absolute())


@contextlib.contextmanager
def _append(path: Path) -> Iterator[int]:
    """A descriptor that appends to a log which only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
