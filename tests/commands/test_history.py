"""gatectl history, rollback and dump: what was applied is kept, told and brought back."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.desk import Desk


def entries(desk: Desk) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = desk.run("history", "-o", "json").data["entries"]
    return listed


def test_every_rollout_is_told_with_who_what_why_and_from_where(desk: Desk) -> None:
    first = desk.applied("--message", "the first")
    desk.upstream("10s")
    second = desk.applied()
    desk.rollback()
    told = [(one["action"], one["revision"], one["previous"], one["outcome"], one["message"]) for one in entries(desk)]
    assert told == [
        ("apply", first, None, "applied", "the first"),
        ("apply", second, first, "applied", None),
        ("rollback", first, second, "applied", None),
    ]
    assert {one["by"] for one in entries(desk)} == {"tester"}
    assert entries(desk)[0]["files"] == ["gateway.yaml"]
    shown = desk.run("history").out
    assert f"→ {first}" in shown
    assert shown.index("rollback") < shown.index("the first"), "the newest comes first"


def test_what_is_in_force_already_is_no_entry(desk: Desk) -> None:
    desk.applied()
    assert desk.apply("-o", "json").data["changed"] is False
    assert len(entries(desk)) == 1


DAMAGE = [
    (lambda whole: whole + b"not json\n", 2),
    (lambda whole: b"\xff\n\n" + whole, 2),
    (lambda whole: whole + b'{"at": 1}\n[]\nnull\n', 2),
    (lambda whole: whole[:-40], 1),
    (lambda whole: whole.replace(b'"applied"', b'"celebrated"', 1), 1),
    (lambda whole: b"", 0),
]


@pytest.mark.parametrize(("damage", "left"), DAMAGE)
def test_a_damaged_line_hides_no_other_and_the_next_one_is_whole(desk: Desk, damage: Any, left: int) -> None:
    desk.applied()
    desk.upstream("10s")
    desk.applied()
    path = desk.state / "history.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    assert len(entries(desk)) == left
    assert desk.run("history").code == 0
    desk.upstream("11s")
    last = desk.applied()
    assert len(entries(desk)) == left + 1
    assert entries(desk)[-1]["revision"] == last


def test_a_history_that_cannot_be_read_is_not_told_as_empty(desk: Desk) -> None:
    desk.applied()
    (desk.state / "history.jsonl").unlink()
    (desk.state / "history.jsonl").mkdir()
    ran = desk.run("history")
    assert (ran.code, ran.out) == (1, "")
    assert "history.jsonl cannot be read" in ran.err
    desk.upstream("10s")
    assert desk.apply().code == 0, "what cannot be noted is done all the same"


def test_a_message_cannot_steer_a_terminal(desk: Desk) -> None:
    desk.applied("--message", "a\x1b[2Jb\nc\r\u202e")
    shown = desk.run("history").out
    assert [one for one in shown if not one.isprintable() and one != "\n"] == []
    assert len(shown.splitlines()) == 2


def test_nothing_happened_yet_is_an_empty_history(desk: Desk) -> None:
    assert desk.run("history", "-o", "json").data == {"current": None, "interrupted": None, "kept": [], "entries": []}


def test_a_rollback_goes_to_the_previous_generation_and_back_again(desk: Desk) -> None:
    first = desk.applied()
    desk.upstream("10s")
    second = desk.applied()
    ran = desk.rollback()
    assert ran.code == 0
    assert '~ upstream "u".timeout: 10s → 30s' in ran.out
    assert desk.in_force == first
    assert desk.rollback("-o", "json").data["revision"] == second
    assert desk.rollback(first[:4], "-o", "json").data["previous"] == second
    assert desk.in_force == first


def test_a_rollback_to_what_is_in_force_changes_nothing(desk: Desk) -> None:
    first = desk.applied()
    ran = desk.rollback(first, "-o", "json")
    assert (ran.code, ran.data["changed"]) == (0, False)


def test_a_rollback_brings_back_exactly_the_files_that_were_there(desk: Desk) -> None:
    first = desk.applied()
    kept = {path: path.read_bytes() for path in (desk.state / "generations" / first).rglob("*.json")}
    desk.upstream("10s")
    desk.applied()
    desk.rollback()
    assert {path: path.read_bytes() for path in (desk.state / "generations" / first).rglob("*.json")} == kept


def without_record(path: Path) -> None:
    (path / "spec.json").unlink()


def damaged_record(path: Path) -> None:
    (path / "spec.json").write_text('{"digest": "", "record": {"written": {}, "effective": {}}}')


@pytest.mark.parametrize("damage", [without_record, damaged_record])
def test_a_generation_of_an_unknown_spec_can_be_rolled_back_to(desk: Desk, damage: Any) -> None:
    first = desk.applied()
    desk.upstream("10s")
    desk.applied()
    damage(desk.state / "generations" / first)
    ran = desk.rollback()
    assert (ran.code, desk.in_force) == (0, first)
    assert "it is not known which spec" in ran.out
    assert "10s" not in ran.out, "without a record nobody knows what is secret"
    assert desk.run("dump").code == 1
    assert desk.plan().code == 0


def edited_file(path: Path) -> None:
    (path / "authz.json").write_text((path / "authz.json").read_text().replace("true", "false"))


def missing_file(path: Path) -> None:
    (path / "envoy" / "rds.json").unlink()


def manifest(content: str) -> Any:
    return lambda path: (path / "manifest.json").write_text(content)


def nothing_left(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        edited_file,
        missing_file,
        nothing_left,
        manifest("{"),
        manifest("[1]"),
        manifest("{}"),
        manifest('{"files": {}}'),
    ],
)
def test_a_generation_that_somebody_edited_is_refused(desk: Desk, damage: Any) -> None:
    first = desk.applied()
    desk.upstream("10s")
    second = desk.applied()
    damage(desk.state / "generations" / first)
    before = desk.everything()
    ran = desk.rollback(first)
    assert (ran.code, desk.in_force) == (1, second)
    assert f"generation {first} was changed by hand or is damaged" in ran.err
    assert desk.everything() == before


def test_a_revision_is_named_by_digits_that_only_it_begins_with(desk: Desk) -> None:
    first = desk.applied()
    generations = desk.state / "generations"
    shutil.copytree(generations / first, generations / f"{first[:4]}zzzzzzzz")
    for command in (desk.rollback, lambda *arguments: desk.run("dump", *arguments)):
        ran = command(first[:4])
        assert ran.code == 1
        assert f"2 revisions begin with {first[:4]}; kept: " in ran.err
        assert "no generation is kept of xyz" in command("xyz").err


def test_there_is_nothing_before_the_first(desk: Desk) -> None:
    desk.applied()
    ran = desk.rollback()
    assert ran.code == 1
    assert "has no previous generation" in ran.err


def test_a_pruned_generation_is_told_with_those_that_are_kept(desk: Desk) -> None:
    first = desk.applied()
    desk.upstream("10s")
    second = desk.applied()
    shutil.rmtree(desk.state / "generations" / first)
    for revision in ([first], []):
        ran = desk.rollback(*revision)
        assert ran.code == 1, ran.out
        assert desk.in_force == second
    assert f"no generation is kept of {first}; kept: {second}" in desk.rollback(first).err


def test_what_is_dumped_is_the_same_gateway(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "7s")
    desk.upstream("${T}")
    first = desk.applied()
    desk.upstream("10s")
    second = desk.applied()
    for revision in (first, second):
        ran = desk.run("dump", revision)
        assert ran.out.splitlines()[0] == f"# revision {revision}, from gateway.yaml"
        Path("again.yaml").write_text(ran.out)
        assert desk.plan("-f", "again.yaml", "-o", "json").data["revision"] == revision
    assert "${T}" in desk.run("dump", first).out


def test_a_rollout_that_was_killed_is_told_until_the_next_one(desk: Desk) -> None:
    desk.applied()
    killed = {
        "action": "apply",
        "revision": "0" * 12,
        "previous": None,
        "by": "t",
        "began_at": "2030-01-01T00:00:00+00:00",
    }
    (desk.state / "rollout.json").write_text(json.dumps(killed))
    told = f"the rollout of {'0' * 12} was interrupted"
    assert told in desk.run("history").out
    assert told in desk.plan().out
    assert "The rollout of `000000000000` was interrupted" in desk.plan("-o", "markdown").out
    desk.upstream("10s")
    desk.applied()
    assert told not in desk.run("history").out
    assert [one["outcome"] for one in entries(desk)] == ["applied", "interrupted", "applied"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"action": "dance"}'])
def test_a_damaged_journal_stops_nobody(desk: Desk, content: str) -> None:
    desk.applied()
    (desk.state / "rollout.json").write_text(content)
    assert desk.run("history").code == 0
    desk.upstream("10s")
    assert desk.apply().code == 0


def test_a_record_that_is_gone_comes_back_with_the_next_apply_of_the_same_spec(desk: Desk) -> None:
    revision = desk.applied()
    kept = desk.state / "generations" / revision / "spec.json"
    kept.unlink()
    desk.upstream("10s")
    assert "not known" in desk.plan().out
    desk.write()
    assert desk.apply().code == 0
    assert kept.exists()
    desk.upstream("10s")
    assert '~ upstream "u".timeout: 30s → 10s' in desk.plan().out
