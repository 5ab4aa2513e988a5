"""One chain, many processes, full disks and kill -9."""

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import pytest

from audit import files
from audit.chain import CUT, ROTATED, TORN
from audit.writer import Entry, Writer
from tests.audit.chains import append, entries, events, on_disk

ROOT = Path(__file__).parents[2]
MANY = """
import sys, threading
from pathlib import Path
from audit.trail import Trail
from audit.writer import Writer
trail = Trail(Writer(Path(sys.argv[1]), "w", max_bytes=200_000, keep=100), lambda count: sys.exit("lost"))
def write(name):
    for number in range(1250):
        trail.write("e", who=f"{sys.argv[2]}-{name}", number=number)
threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
trail.close()
"""
ENDLESS = """
import sys
from pathlib import Path
from audit.writer import Entry, Writer
writer = Writer(Path(sys.argv[1]), "w")
while True:
    writer.append([Entry(0.0, "e", {"text": "x" * 500})] * 100, wait=5)
    print("written", flush=True)
"""


def python(code: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, text=True, **options)


def test_two_processes_with_four_threads_each_write_one_whole_chain_and_lose_nothing(tmp_path: Path) -> None:
    running = [python(MANY, str(tmp_path), name) for name in ("a", "b")]
    try:
        assert [process.wait(60) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()
    found = on_disk(tmp_path)
    assert found.breaks == []
    rotations = len(files.rotated(tmp_path, "w"))
    assert rotations > 3
    assert found.lines == 10_000 + rotations
    numbers: dict[str, list[int]] = {}
    for path in (*files.rotated(tmp_path, "w"), files.active(tmp_path, "w")):
        for line in map(json.loads, path.read_text().splitlines()):
            if line["event"] == "e":
                numbers.setdefault(line["who"], []).append(line["number"])
    assert numbers == {f"{process}-{thread}": list(range(1250)) for process in "ab" for thread in range(4)}


def test_a_writer_that_was_killed_in_the_middle_leaves_a_chain_that_goes_on(tmp_path: Path) -> None:
    with python(ENDLESS, str(tmp_path), stdout=subprocess.PIPE) as killed:
        assert killed.stdout
        for _ in range(3):
            killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    append(Writer(tmp_path, "w"), "after")
    assert on_disk(tmp_path).breaks == []
    assert events(tmp_path)[-1] == "after"


@pytest.mark.parametrize("left", [1, 40, -1])
def test_a_line_that_was_cut_in_two_is_set_aside_and_noted(tmp_path: Path, left: int) -> None:
    append(Writer(tmp_path, "w"), "one", "two")
    path = files.active(tmp_path, "w")
    whole = path.read_bytes()
    fragment = whole.splitlines()[1][:left]
    path.write_bytes(whole + fragment)
    assert {one.kind for one in on_disk(tmp_path).breaks} == {"torn"}
    append(Writer(tmp_path, "w"), "three")
    assert events(tmp_path) == ["one", "two", TORN, "three"]
    assert on_disk(tmp_path).breaks == []
    assert (tmp_path / "w.torn").read_bytes() == fragment + b"\n"


def test_a_line_that_lacks_only_its_newline_is_no_loss(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one", "two")
    path = files.active(tmp_path, "w")
    path.write_bytes(path.read_bytes()[:-1])
    append(Writer(tmp_path, "w"), "three")
    assert events(tmp_path) == ["one", "two", "three"]
    assert on_disk(tmp_path).breaks == []


def test_lines_that_are_gone_while_their_writer_runs_are_missed(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "w")
    append(writer, "one", "two", "three")
    path = files.active(tmp_path, "w")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    append(writer, "four")
    assert events(tmp_path) == ["one", CUT, "four"]
    assert {one.kind for one in on_disk(tmp_path).breaks} == {"removed"}


def test_a_directory_that_was_removed_is_made_again_and_the_loss_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    writer = Writer(directory, "w")
    append(writer, "one")
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    append(writer, "two")
    assert events(directory) == [CUT, "two"]


def test_the_chain_goes_on_across_files_and_says_what_it_dropped(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "w", max_bytes=2_000, keep=2)
    for number in range(60):
        append(Writer(tmp_path, "w", max_bytes=2_000, keep=2) if number % 7 == 0 else writer, f"e{number}")
    found = on_disk(tmp_path)
    assert found.breaks == []
    assert found.first
    assert found.first.link.seq > 1
    assert len(files.rotated(tmp_path, "w")) == 2
    assert all(path.stat().st_size <= 2_300 for path in tmp_path.glob("*.jsonl"))
    files.rotated(tmp_path, "w")[0].unlink()
    assert {one.kind for one in on_disk(tmp_path).breaks} == {"removed"}, "dropped by somebody else"


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        writer = Writer(tmp_path / "audit", "w", max_bytes=300)
        append(writer, "one", "two")
        append(writer, "three")
        with files.active(tmp_path / "audit", "w").open("ab") as file:
            file.write(b"torn")
        append(writer, "four")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "audit").iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) >= 4
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "w.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        append(Writer(tmp_path, "w"), "one")
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_somebody_who_holds_the_chain_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one")
    with (tmp_path / "w.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError):
            Writer(tmp_path, "w").append(entries("two"), wait=0.05)
    append(Writer(tmp_path, "w"), "three")
    assert events(tmp_path) == ["one", "three"]


def test_the_lock_of_a_directory_that_was_removed_meanwhile_locks_nothing(tmp_path: Path) -> None:
    """Else two writers would each hold a lock of their own."""
    append(Writer(tmp_path, "w"), "one")
    lock = tmp_path / "w.lock"
    with lock.open() as old, ThreadPoolExecutor(1) as waiting:
        fcntl.flock(old, fcntl.LOCK_EX)
        writing = waiting.submit(Writer(tmp_path, "w").append, entries("two"), wait=5)
        lock.unlink()
        with lock.open("w") as new:
            fcntl.flock(new, fcntl.LOCK_EX)
            fcntl.flock(old, fcntl.LOCK_UN)
            with pytest.raises(FutureTimeoutError):
                writing.result(0.1)
        writing.result(5)
    assert events(tmp_path) == ["one", "two"]


def test_what_must_survive_a_loss_of_power_is_synced_and_the_rest_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    Writer(tmp_path, "w").append(entries("one"), wait=5)
    assert synced == []
    Writer(tmp_path, "w").append(entries("two"), wait=5, sync=True)
    Writer(tmp_path, "v").append(entries("one"), wait=5, sync=True)
    assert synced == [str(tmp_path / "w.jsonl"), str(tmp_path / "v.jsonl"), str(tmp_path)]


def half(write: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    """A disk that becomes full in the middle."""
    calls = iter(range(1_000))

    def full(descriptor: int, content: bytes) -> int:
        if next(calls):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[: len(content) // 2])

    return full


def test_a_batch_that_fits_only_half_on_the_disk_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path, "w")
    append(writer, "one")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half(os.write))
        with pytest.raises(OSError, match="No space"):
            append(writer, "two", "three")
    assert events(tmp_path) == ["one"]
    append(writer, "two")
    assert events(tmp_path) == ["one", "two"]
    assert on_disk(tmp_path).breaks == []


def test_a_damaged_end_does_not_stop_the_writer_and_is_found(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one", "two")
    with files.active(tmp_path, "w").open("ab") as file:
        file.write(b"garbage\n")
    append(Writer(tmp_path, "w"), "three")
    assert events(tmp_path) == ["one", "two", "three"]
    assert {one.kind for one in on_disk(tmp_path).breaks} == {"inserted"}


def test_a_chain_whose_new_file_was_not_begun_any_more_goes_on(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one", "two")
    files.active(tmp_path, "w").rename(files.rotated_name(tmp_path, "w", 1))
    append(Writer(tmp_path, "w"), "three")
    assert events(tmp_path) == ["one", "two", "three"]
    assert on_disk(tmp_path).breaks == []


def test_rotation_is_noted(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "w", max_bytes=300)
    append(writer, "one")
    writer.append([Entry(0.0, "two", {"text": "x" * 200})], wait=5)
    assert events(tmp_path).count(ROTATED) == 1
