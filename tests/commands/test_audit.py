"""gatectl audit, and which acts of gatectl are in the trail."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit import files
from audit.writer import Entry, Writer
from gatectl.diagnostics import GatectlError, SpecError
from gatectl.rollout.acts import act, record_act
from gatectl.runtime import api_keys
from tests.commands.desk import Desk

ROOT = Path(__file__).parents[2]


def trail(desk: Desk, *arguments: str) -> list[dict[str, Any]]:
    ran = desk.run("audit", "search", "-o", "json", *arguments)
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def refuse(desk: Desk, **fields: Any) -> None:
    Writer(desk.state / "audit", "ext_authz").append([Entry(1_790_000_000, "request.refused", fields)], wait=5)


def test_every_rollout_is_in_the_trail_with_who_what_and_its_outcome(desk: Desk) -> None:
    first = desk.applied("--message", "the first")
    desk.upstream("10s")
    second = desk.applied()
    desk.rollback()
    told = [(one["event"], one["revision"], one["previous"], one["outcome"], one["message"]) for one in trail(desk)]
    assert told == [
        ("apply", first, None, "applied", "the first"),
        ("apply", second, first, "applied", None),
        ("rollback", first, second, "applied", None),
    ]
    assert {one["by"] for one in trail(desk)} == {"tester"}
    assert all("@" in one["account"] for one in trail(desk)), "whatever name was given, the account is told"
    assert len(trail(desk, "--by", "tester", "--event", "rollback")) == 1


def test_a_trail_that_cannot_be_written_is_told_and_keeps_nobody_from_acting(desk: Desk) -> None:
    desk.applied()
    for path in (desk.state / "audit").iterdir():
        path.unlink()
    (desk.state / "audit").rmdir()
    (desk.state / "audit").write_text("in the way")
    desk.upstream("10s")
    ran = desk.apply()
    assert ran.code == 0
    assert "apply is not in the audit trail" in ran.err
    assert "cannot be written" in ran.err


@pytest.fixture
def redis_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """`keys` as if Redis were there: what it holds is not what these tests are about."""
    key, parsed = api_keys.mint()
    record = api_keys.KeyRecord(id=parsed.id, sha256=parsed.sha256, user="alice", created_at="2026-01-01T00:00:00Z")
    monkeypatch.setattr(api_keys, "create", lambda *_: (key, record))
    monkeypatch.setattr(api_keys, "revoke", lambda *_: record)
    monkeypatch.setenv("GATECTL_REDIS_URL", "redis://user:hunter2@127.0.0.1:1/0")


@pytest.mark.usefixtures("redis_of_nobody")
def test_keys_and_tokens_are_in_the_trail_and_no_credential_is(desk: Desk) -> None:
    issuer = {"name": "dev", "issuer": "https://dev", "audiences": ["shop"], "jwks": {"local": True}}
    desk.write(authentication={"api_keys": {}, "jwt": [issuer]})
    made = desk.run("keys", "create", "alice", "--role", "agent", "-f", "gateway.yaml", "-o", "json").data
    assert desk.run("keys", "revoke", made["id"], "-f", "gateway.yaml").code == 0
    token = desk.run("token", "mint", "bob", "-o", "json").data["token"]
    told = [(one["event"], one.get("user"), one.get("key_id"), one["outcome"]) for one in trail(desk)]
    assert told == [
        ("keys.create", "alice", made["id"], "done"),
        ("keys.revoke", None, made["id"], "done"),
        ("tokens.mint", "bob", None, "done"),
    ]
    written = files.active(desk.state / "audit", "gatectl").read_text()
    for secret in (made["key"], made["key"].rpartition("_")[2], token, token.rpartition(".")[2], "hunter2"):
        assert secret not in written


def test_an_act_that_failed_is_in_the_trail_and_a_usage_error_is_not(desk: Desk) -> None:
    def ends_with(error: BaseException) -> None:
        with contextlib.suppress(type(error)), act(desk.state, "keys.revoke", pytest.fail) as done:
            done["key_id"] = "k"
            raise error

    ends_with(GatectlError("no", 64))
    ends_with(SpecError(()))
    assert not desk.state.exists()
    for error in (GatectlError("no", 5), RuntimeError("no"), KeyboardInterrupt()):
        ends_with(error)
    outcomes = [(one["key_id"], one["outcome"]) for one in trail(desk)]
    assert outcomes == [("k", "failed"), ("k", "failed"), ("k", "interrupted")]


def test_what_somebody_chose_freely_is_cut(desk: Desk) -> None:
    record_act(desk.state, "apply", pytest.fail, message="x" * 10_000)
    (told,) = trail(desk)
    assert told["message"] == "x" * 512


def test_a_whole_trail_is_told_with_its_heads_and_they_are_found_again(desk: Desk) -> None:
    desk.applied()
    refuse(desk, reason="key-invalid")
    ran = desk.run("audit", "verify")
    assert (ran.code, ran.out.count("whole")) == (0, 2)
    found = desk.run("audit", "verify", "-o", "json").data
    assert [(one["writer"], one["lines"], one["first"]["seq"]) for one in found["chains"]] == [
        ("ext_authz", 1, 1),
        ("gatectl", 1, 1),
    ]
    heads = [one["head"] for one in found["chains"]]
    assert all(head in ran.out for head in heads)
    desk.upstream("10s")
    desk.applied()
    assert desk.run("audit", "verify", "--expect", heads[0], "--expect", heads[1]).code == 0


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_kept(desk: Desk) -> None:
    refuse(desk, reason="one")
    refuse(desk, reason="two")
    head = desk.run("audit", "verify", "-o", "json").data["chains"][0]["head"]
    path = files.active(desk.state / "audit", "ext_authz")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert desk.run("audit", "verify").code == 0
    ran = desk.run("audit", "verify", "--expect", head)
    assert ran.code == 3
    assert f"{head}: removed" in ran.out
    assert desk.run("audit", "verify", "--expect", head, "-o", "json").data["missing"] == [head]


DAMAGE = [
    ("edited", 2, lambda lines: [lines[0], lines[1].replace(b"two", b"owt"), lines[2]]),
    ("removed", 2, lambda lines: [lines[0], lines[2]]),
    ("inserted", 2, lambda lines: [lines[0], lines[0], *lines[1:]]),
    ("reordered", 2, lambda lines: [lines[1], lines[0], lines[2]]),
    ("torn", 3, lambda lines: [*lines[:2], lines[2][:30]]),
]


@pytest.mark.parametrize(("kind", "line", "damage"), DAMAGE, ids=[kind for kind, *_ in DAMAGE])
def test_what_was_done_to_a_trail_is_told_with_its_place(desk: Desk, kind: str, line: int, damage: Any) -> None:
    for reason in ("one", "two", "three"):
        refuse(desk, reason=reason)
    path = files.active(desk.state / "audit", "ext_authz")
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    ran = desk.run("audit", "verify")
    assert ran.code == 3
    assert f"{files.active(Path('.gatectl/audit'), 'ext_authz')}:{line}: {kind}: " in ran.out
    (told,) = desk.run("audit", "verify", "-o", "json").data["chains"][0]["breaks"]
    assert told["kind"] == kind


def test_tail_shows_the_newest_of_all_chains_and_a_field_cannot_steer_a_terminal(desk: Desk) -> None:
    for number in range(5):
        refuse(desk, reason=f"r{number}", request_id="a\x1b[2Jb\nc\r\u202e")
    desk.applied()
    shown = desk.run("audit", "tail", "-n", "3").out
    assert [one for one in shown if not one.isprintable() and one != "\n"] == []
    assert len(shown.splitlines()) == 3
    assert [word in shown for word in ("r2", "r3", "r4", "apply")] == [False, True, True, True]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--reason", "key-invalid"], [1]),
        (["--user", "alice"], [2, 3]),
        (["--user", "alice", "--key-id", "k1"], [2]),
        (["--address", "192.0.2.7", "--route", "tickets"], [1]),
        (["--since", "366d"], [1, 2, 3]),
        (["--since", "2026-09-21T14:13:21Z"], [2, 3]),
        (["--until", "2026-09-21T16:13:21+02:00"], [1]),
        (["--since", "1ms"], []),
    ],
)
def test_search_asks_for_all_of_it(desk: Desk, asked: list[str], found: list[int]) -> None:
    writer = Writer(desk.state / "audit", "ext_authz")
    events: list[dict[str, Any]] = [
        {"reason": "key-invalid", "address": "192.0.2.7", "route": "tickets", "user": None},
        {"reason": "access-denied", "user": "alice", "key_id": "k1"},
        {"reason": "access-denied", "user": "alice"},
    ]
    for number, fields in enumerate(events):
        writer.append([Entry(1_790_000_000 + number, "request.refused", fields)], wait=5)
    assert [one["seq"] for one in trail(desk, *asked)] == found


def test_the_trail_may_lie_elsewhere(desk: Desk) -> None:
    refuse(desk, reason="one")
    (desk.state / "audit").rename(desk.directory / "volume")
    assert desk.run("audit", "verify").code == 1
    for command in ("tail", "verify", "search"):
        assert desk.run("audit", command, "--audit-dir", "volume").code == 0


def test_whoever_follows_sees_what_is_written_across_files_and_stops_when_told(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "audit", "ext_authz", max_bytes=500)
    writer.append([Entry(1_790_000_000, "before", {})], wait=5)
    command = [sys.executable, "-m", "gatectl", "audit", "tail", "-f", "-o", "json", "--state-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        try:
            assert following.stdout
            assert json.loads(following.stdout.readline())["event"] == "before"
            for number in range(4):
                writer.append([Entry(1_790_000_001 + number, f"e{number}", {})], wait=5)
            seen = []
            while len(seen) < 4:
                event = json.loads(following.stdout.readline())["event"]
                seen += [event] if event.startswith("e") else []
            assert seen == ["e0", "e1", "e2", "e3"]
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 130
            assert following.stderr
            assert b"Traceback" not in following.stderr.read()
        finally:
            following.kill()
