"""Whoever writes into a trail never waits, and what is lost is counted."""

import fcntl
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit import reading, trail
from audit.chain import LOST
from audit.trail import Trail
from audit.writer import Entry, Writer
from tests.audit.chains import events, on_disk


class Stuck(Writer):
    """A writer that hangs, or fails, until it is let go."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "w")
        self.entered, self.go, self.failing = threading.Event(), threading.Event(), False
        self.appended = threading.Semaphore(0)

    def append(self, entries: Sequence[Entry], *, wait: float, sync: bool = False) -> None:
        self.entered.set()
        if self.failing:
            raise OSError(30, "Read-only file system")
        assert self.go.wait(10)
        super().append(entries, wait=wait, sync=sync)
        self.appended.release()


@contextmanager
def opened(writer: Writer, lost: list[int], size: int = 100) -> Iterator[Trail]:
    written = Trail(writer, lost.append, size=size)
    try:
        yield written
    finally:
        written.close()


def lost_lines(directory: Path) -> list[int]:
    question = reading.Question({"event": LOST})
    return [event["lost"] for event in reading.search(directory, question)]


def test_what_is_written_is_in_the_chain_in_order_when_the_trail_is_closed(tmp_path: Path) -> None:
    lost: list[int] = []
    with opened(Writer(tmp_path, "w"), lost, size=10_000) as written:
        for number in range(3_000):
            written.write("e", number=number)
    assert [event["number"] for event in reading.search(tmp_path, reading.Question())] == list(range(3_000))
    assert on_disk(tmp_path).breaks == []
    assert lost == []


def test_what_finds_no_room_is_counted_and_the_next_line_says_so(tmp_path: Path) -> None:
    writer, lost = Stuck(tmp_path), list[int]()
    with opened(writer, lost, size=10) as written:
        started = time.monotonic()
        for number in range(25):
            written.write("e", number=number)
        assert time.monotonic() - started < 0.5
        assert sum(lost) == 15
        writer.go.set()
        writer.appended.acquire()
        taken = False
        while not taken:  # until the thread has made room
            before = sum(lost)
            written.write("e")
            taken = sum(lost) == before
    assert sum(lost_lines(tmp_path)) == sum(lost), "each is told once"
    assert events(tmp_path).count("e") == 11
    assert on_disk(tmp_path).breaks == []


def test_a_disk_that_comes_back_gets_everything_that_found_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trail, "RETRY_SECONDS", 0.01)
    writer, lost = Stuck(tmp_path), list[int]()
    writer.failing = True
    writer.go.set()
    with caplog.at_level(logging.INFO), opened(writer, lost) as written:
        for number in range(50):
            written.write("e", number=number)
        for _ in range(5):  # it tries again and again, and says so once
            writer.entered.clear()
            assert writer.entered.wait(5)
        writer.failing = False
    assert [event["number"] for event in reading.search(tmp_path, reading.Question())] == list(range(50))
    assert lost == []
    told = [record for record in caplog.records if "cannot be written" in record.message]
    assert [vars(record)["reason"] for record in told] == ["Read-only file system"]


@pytest.mark.parametrize("directory", ["file", "file/below", "/proc/audit"])
def test_a_directory_that_cannot_be_written_costs_lines_and_nothing_else(tmp_path: Path, directory: str) -> None:
    (tmp_path / "file").write_text("mine")
    lost: list[int] = []
    with opened(Writer(tmp_path / directory, "w"), lost, size=5) as written:
        for _ in range(8):
            written.write("e")
    assert sum(lost) == 8


HOLDS = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_stopped_process_that_holds_the_chain_blocks_nobody(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "w.lock")]
    lost: list[int] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == b"held\n"
            holder.send_signal(signal.SIGSTOP)
            with opened(Writer(tmp_path, "w"), lost, size=1_000) as written:
                started = time.monotonic()
                for _ in range(1_500):
                    written.write("e")
                assert time.monotonic() - started < 0.5
                assert sum(lost) == 500
                holder.kill()
        finally:
            holder.kill()
    assert lost_lines(tmp_path) == [500]
    assert events(tmp_path).count("e") == 1_000


def test_after_the_end_an_entry_is_counted_as_lost(tmp_path: Path) -> None:
    lost: list[int] = []
    with opened(Writer(tmp_path, "w"), lost) as written:
        pass
    written.write("e")
    assert lost == [1]


def test_closing_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "CLOSE_SECONDS", 0.1)
    (tmp_path / "w.lock").touch()
    lost: list[int] = []
    with (tmp_path / "w.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with opened(Writer(tmp_path, "w"), lost) as written:
            written.write("e")
    assert lost == [1]


def test_taking_an_entry_costs_microseconds(tmp_path: Path) -> None:
    """About 2 us here; a hundred times that would be a write or a lock in the request's way. The best of five."""
    fields = {"reason": "access-denied", "route": "tickets", "address": "192.0.2.7", "user": None}
    with opened(Writer(tmp_path, "w"), [], size=100_000) as written:

        def once() -> float:
            started = time.perf_counter()
            for _ in range(1_000):
                written.write("request.refused", **fields)
            return time.perf_counter() - started

        assert min(once() for _ in range(5)) / 1_000 < 100e-6
