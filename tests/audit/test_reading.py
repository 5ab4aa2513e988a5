"""Reading trails while others write them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import files, reading
from audit.reading import Question, Tail
from audit.writer import Entry, Writer
from tests.audit.chains import append, on_disk


def at(second: float, event: str, **fields: object) -> Entry:
    return Entry(1_790_000_000 + second, event, fields)


def time_of(second: float) -> str:
    return f"2026-09-21T14:13:{20 + second:06.3f}+00:00"


def names(found: object) -> list[str]:
    return [event["event"] for event in found]  # type: ignore[attr-defined]


@pytest.fixture
def trails(tmp_path: Path) -> Path:
    small = Writer(tmp_path, "ext_authz", max_bytes=400)
    for entry in (at(1, "a", user="alice"), at(3, "c", user="bob", key_id="k1"), at(5, "e", user="alice", status=401)):
        small.append([entry], wait=5)
    Writer(tmp_path, "gatectl").append([at(2, "b", user="alice"), at(4, "d", by="eve")], wait=5)
    return tmp_path


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (Question(), "abcde"),
        (Question({"user": "alice"}), "abe"),
        (Question({"user": "alice", "event": "b"}), "b"),
        (Question({"status": "401"}), "e"),
        (Question({"by": "eve"}), "d"),
        (Question({"user": "nobody"}), ""),
        (Question(since=time_of(3)), "cde"),
        (Question(until=time_of(3)), "ab"),
        (Question({"user": "alice"}, time_of(2), time_of(5)), "b"),
    ],
)
def test_a_search_finds_what_matches_all_that_is_asked_by_time(trails: Path, question: Question, found: str) -> None:
    told = [name for name in names(reading.search(trails, question)) if not name.startswith("trail.")]
    assert "".join(told) == found


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_file_is_read_without_harm(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    directory = tmp_path_factory.mktemp("trail")
    files.active(directory, "w").write_bytes(raw)
    list(reading.search(directory, Question()))
    assert bool(on_disk(directory).breaks) is bool(raw)
    with Tail(directory) as tail:
        tail.newest(10)
        tail.news()


def test_a_line_without_end_is_not_read_into_memory_whole(tmp_path: Path) -> None:
    with files.active(tmp_path, "w").open("wb") as file:
        file.truncate(20 << 20)
    assert all(len(raw) <= reading.LONGEST for _, raw in reading.lines(tmp_path, "w"))
    assert on_disk(tmp_path).breaks


@pytest.mark.parametrize("count", [0, 1, 3, 50, 1_000])
def test_the_newest_lines_are_those_at_the_end_of_all_files(tmp_path: Path, count: int) -> None:
    writer = Writer(tmp_path, "w", max_bytes=20_000)
    for number in range(200):
        writer.append([at(number, f"e{number}", text="x" * 300)], wait=5)
    with Tail(tmp_path) as tail:
        newest = [name for name in names(tail.newest(count)) if name.startswith("e")]
    assert len(files.rotated(tmp_path, "w")) > 3
    assert newest == [f"e{number}" for number in range(200)][200 - len(newest) :]
    assert min(count, 200) - 10 <= len(newest) <= count


def test_what_comes_after_is_told_once_across_files_and_writers(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "w", max_bytes=600)
    append(writer, "before")
    with Tail(tmp_path) as tail:
        assert names(tail.newest(10)) == ["before"]
        assert tail.news() == []
        for number in range(9):
            append(writer, f"e{number}")
        append(Writer(tmp_path, "other"), "new")
        told = [name for name in names(tail.news()) if not name.startswith("trail.")]
        assert sorted(told) == sorted([*(f"e{number}" for number in range(9)), "new"])
        assert tail.news() == []
        append(writer, "last")
        assert "last" in names(tail.news())


def test_a_line_is_told_when_it_is_complete(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one", "two")
    path = files.active(tmp_path, "w")
    one, two = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(one)
    with Tail(tmp_path) as tail:
        assert names(tail.newest(10)) == ["one"]
        with path.open("ab") as file:
            file.write(two[:30])
            file.flush()
            assert tail.news() == []
            file.write(two[30:])
        assert names(tail.news()) == ["two"]


def test_a_torn_line_that_is_set_aside_does_not_confuse_who_follows(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one")
    path = files.active(tmp_path, "w")
    os.truncate(path, path.stat().st_size - 5)
    with Tail(tmp_path) as tail:
        tail.newest(10)
        append(Writer(tmp_path, "w"), "two")
        assert names(tail.news()) == ["trail.torn", "two"]


def test_other_files_in_the_directory_are_no_chains(tmp_path: Path) -> None:
    append(Writer(tmp_path, "w"), "one")
    for name in ("x.txt", "W.jsonl", "w.1.jsonl", ".jsonl", "w.jsonl.bak"):
        (tmp_path / name).write_text("{}\n")
    assert files.writers(tmp_path) == ["w"]
    assert [path.name for path in files.rotated(tmp_path, "w")] == []
