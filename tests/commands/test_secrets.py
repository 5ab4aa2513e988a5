"""Every value from the environment at once: none of them leaves the files that Envoy and the services read."""

import json
from pathlib import Path

import pytest

from tests.commands.desk import Desk
from tests.gatectl.canaries import canaries, environment, found_in, planted

READ_BY_THE_DATA_PLANE = {"lds.json", "cds.json", "rds.json", "authz.json", "limits.json", "manifest.json"}
"""The manifest of a generation names its gateway."""
CANARIES = canaries()


def set_environment(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    for name, value in environment(side, *CANARIES).items():
        monkeypatch.setenv(name, value)


def test_no_value_from_the_environment_is_said_or_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    Path("gateway.yaml").write_text(json.dumps(planted(*CANARIES)))
    for side, outputs in ((0, ("human",)), (1, ("human", "json", "markdown"))):
        set_environment(monkeypatch, side)
        said += [desk.plan("-o", output, "--out", "plan.json") for output in outputs]
        said.append(desk.apply("--allow-deletes", "-o", "human" if side else "json"))
    said += [desk.rollback("--allow-deletes"), desk.rollback("--allow-deletes", "-o", "json")]
    said += [desk.run("apply", "plan.json", "--envoy", "off", "--no-wait", "--allow-deletes", "-o", "json")]
    revision = str(desk.in_force)
    said += [desk.run("history"), desk.run("history", "-o", "json"), desk.run("dump")]
    assert [one.code for one in said] == [0] * len(said), said[-1].err

    (desk.state / "generations" / revision / "spec.json").unlink()
    set_environment(monkeypatch, 0)
    said += [desk.plan(), desk.plan("-o", "json"), desk.apply(), desk.run("apply", "plan.json", "--no-wait")]
    (desk.state / "current" / "limits.json").write_text("{}")
    said += [desk.plan(), desk.run("drift", "-o", "json"), desk.rollback(str(desk.in_force))]
    for name in (one.name for one in CANARIES if one.path[-1] in {"upstream", "limit", "port", "timeout"}):
        monkeypatch.setenv(name, "canary-aaa-wrong!")  # and every error about a wrong one
    said += [desk.plan(), desk.plan("-o", "json"), desk.apply()]
    assert {one.code for one in said[-3:]} == {65}

    assert found_in("\n".join(one.out + one.err for one in said), CANARIES) == []
    assert "canary-aaa-wrong" not in "".join(one.out + one.err for one in said)
    kept = {path for path in desk.state.rglob("*") if path.is_file()} | {Path("plan.json")}
    for path in kept:
        if path.name not in READ_BY_THE_DATA_PLANE and path.parent.name != "secrets":
            assert found_in(path.read_text(errors="replace"), CANARIES) == [], path
        if path.name != ".lock":
            assert path.stat().st_mode & 0o777 == 0o600, path
    assert [path for path in desk.state.rglob("*") if path.is_dir() and path.stat().st_mode & 0o777 != 0o700] == []


def test_a_changed_secret_is_a_change_and_an_equal_one_is_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, 0)
    Path("gateway.yaml").write_text(json.dumps(planted(*CANARIES)))
    desk.applied()
    assert desk.plan("--detailed-exitcode").code == 0
    set_environment(monkeypatch, 1)
    told = desk.plan("-o", "json").data
    assert told["summary"]["change"] > 5
    assert {change["name"] for change in told["resources"]} == {"(hidden)"}


def test_fingerprints_of_two_state_directories_have_nothing_in_common(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T", "10s")
    desk.upstream("${T}")
    marks = []
    for name in ("one", "two"):
        revision = desk.applied("--state-dir", name)
        kept = json.loads((desk.directory / name / "generations" / revision / "spec.json").read_text())
        marks.append(kept["record"]["secrets"]["/upstreams/u/timeout"])
    assert marks[0] != marks[1]
