"""The history file: concurrent writers lose nothing."""

import multiprocessing
from pathlib import Path

from gatectl.rollout.history import Entry, append, now, read


def entry(message: str) -> Entry:
    return Entry(at=now(), by="t", action="apply", revision="0" * 12, previous=None, outcome="applied", message=message)


def write(directory: Path, writer: int) -> None:
    for number in range(25):
        append(directory, entry(f"{writer}-{number}-" + "x" * 20_000))  # longer than any buffer


def test_concurrent_writers_lose_no_line(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(tmp_path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = [one.message.partition("-x")[0] for one in read(tmp_path) if one.message]
    assert sorted(found) == sorted(f"{writer}-{number}" for writer in range(4) for number in range(25))
    assert (tmp_path / "history.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_in_two_is_closed_first(tmp_path: Path) -> None:
    append(tmp_path, entry("first"))
    path = tmp_path / "history.jsonl"
    path.write_bytes(path.read_bytes() + b'{"at": "20')
    append(tmp_path, entry("second"))
    assert [one.message for one in read(tmp_path)] == ["first", "second"]
