import itertools
import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.runtime import process_table, processes
from gatectl.runtime.lock import Supervisor
from gatectl.runtime.processes import Child, Program
from tests.runtime.worlds import until


class Nursery:
    """Starts children that are gone after the test."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.children = directory, list[Child]()

    def child(self, code: str, stdin: bytes = b"", stop_seconds: float = 10, name: str = "it") -> Child:
        argv = [sys.executable, "-c", code]
        program = Program(name, argv, self.directory, self.directory, stdin=stdin, stop_seconds=stop_seconds)
        self.children.append(Child(program))
        return self.children[-1]


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path)
    yield nursery
    for child in nursery.children:
        child.stop()


def test_what_it_says_goes_to_a_log_for_the_owner_only(nursery: Nursery) -> None:
    child = nursery.child("import sys; print('out'); print('err', file=sys.stderr)")
    child.log.write_text("from an earlier run\n")
    child.log.unlink()
    child.start()
    assert until(child.ended) == "ended with exit code 0"
    assert set(child.log.read_text().split()) == {"out", "err"}
    assert stat.S_IMODE(child.log.stat().st_mode) == 0o600


def test_the_tail_of_a_log_holds_nothing_of_an_earlier_run(nursery: Nursery) -> None:
    (nursery.directory / "it.log").write_text("yesterday\n")
    child = nursery.child("print('today')")
    child.start()
    assert until(child.ended)
    assert child.tail() == "today"


def test_a_secret_reaches_it_by_stdin_and_no_process_list(nursery: Nursery) -> None:
    child = nursery.child("import sys; print(len(sys.stdin.read()))", stdin=b"s3cret")
    child.start()
    assert until(child.ended)
    assert child.tail() == "6"
    assert "s3cret" not in repr(child.program)


def test_it_is_a_session_of_its_own_with_default_signals(nursery: Nursery) -> None:
    code = "import os, signal; print(os.getsid(0) == os.getpid()); print(open('/proc/self/status').read())"
    child = nursery.child(code)
    child.start()
    assert until(child.ended)
    words = dict(line.split(":", 1) for line in child.log.read_text().splitlines() if ":" in line)
    assert child.log.read_text().startswith("True")
    # only what Python itself ignores in the child: SIGPIPE and SIGXFSZ; beyond the 31 of POSIX are the C library's own
    ignored = (1 << (signal.SIGPIPE - 1)) | (1 << (signal.SIGXFSZ - 1))
    assert int(words["SigIgn"], 16) & 0x7FFF_FFFF & ~ignored == 0


def test_one_that_ignores_sigterm_is_killed_when_its_time_is_up(nursery: Nursery) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
    )
    child = nursery.child(code, stop_seconds=0.2)
    child.start()
    assert until(lambda: child.tail() == "deaf")
    child.stop()
    assert child.ended() == "was killed by SIGKILL"


def test_one_that_keeps_dying_is_started_again_after_ever_longer_pauses(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.05)
    child = nursery.child("print('once')")
    child.start()
    deaths: list[float] = []

    def look() -> bool:
        if child.keep_alive():
            deaths.append(time.monotonic())
        return len(deaths) == 4

    child._pause = 0.05
    assert until(look)
    gaps = [later - earlier for earlier, later in itertools.pairwise(deaths)]
    assert all(gap > pause for gap, pause in zip(gaps, (0.05, 0.1, 0.2), strict=True)), gaps
    assert child.log.read_text().split() == ["once"] * 4


def test_a_program_that_has_gone_meanwhile_does_not_end_the_supervisor(nursery: Nursery) -> None:
    program = nursery.directory / "it"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o700)
    child = Child(Program("it", ["./it"], nursery.directory, nursery.directory))
    nursery.children.append(child)
    child.start()
    program.unlink()
    assert "ended with exit code 1" in str(until(child.keep_alive))
    for _ in range(20):
        time.sleep(0.02)
        assert child.keep_alive() is None


def test_an_unknown_program_is_an_error(nursery: Nursery) -> None:
    child = Child(Program("it", ["no-such-program"], nursery.directory, nursery.directory))
    with pytest.raises(GatectlError, match='there is no program "no-such-program"'):
        child.start()


def test_everything_it_starts_carries_the_mark_of_its_supervisor(nursery: Nursery) -> None:
    child = nursery.child("import time; time.sleep(99)")
    child.start()
    entry = processes.mark(Supervisor.this())
    assert until(lambda: child.pid in list(process_table.marked(entry)))


def test_an_ended_process_has_no_start_time_even_before_it_is_waited_for() -> None:
    pid = os.posix_spawn("/bin/sleep", ["sleep", "99"], {})
    before = process_table.started(pid)
    assert before is not None
    assert not Supervisor(pid, before + "1").alive
    assert Supervisor(pid, before).alive
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: process_table.started(pid) is None)
    os.waitpid(pid, 0)
    assert process_table.started(pid) is None
