"""gatectl plan, apply and what a plan is bound to."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.desk import SPEC, Desk

# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")


def route(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "match": {"path": path}, "upstream": "u", "access": "public"}


def many(count: int, name: str = "r") -> list[dict[str, Any]]:
    return [route(f"{name}{number}", f"/{number}") for number in range(count)]


def test_a_plan_tells_both_levels_and_a_summary_and_changes_nothing(desk: Desk) -> None:
    first = desk.applied()
    desk.write(
        upstreams={"u": {"endpoints": ["127.0.0.1:1"], "timeout": "10s"}},
        routes=[*SPEC["routes"][1:], route("orders", "/orders")],
    )
    before = desk.everything()
    ran = desk.plan()
    assert ran.code == 0
    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[0].startswith(f"shop: {first} → ")
    assert lines[2:5] == ['~ upstream "u".timeout: 30s → 10s', '+ route "orders"', '- route "r0"']
    assert '~ envoy route "r1".route.timeout: 30s → 10s' in lines
    assert '! opens-access route "orders": it is public: everybody gets in without a credential' in lines
    assert lines[-1] == "Plan: 1 to add, 1 to change, 1 to destroy."
    assert desk.everything() == before


@pytest.mark.parametrize("output", ["human", "json", "markdown"])
def test_the_exit_code_tells_changes_only_when_asked_and_whatever_the_output(desk: Desk, output: str) -> None:
    assert desk.plan("-o", output).code == 0
    assert desk.plan("-o", output, "--detailed-exitcode").code == 2
    desk.applied()
    assert desk.plan("-o", output, "--detailed-exitcode").code == 0
    assert "No changes" in desk.plan().out


def test_a_plan_as_json_is_one_document_that_says_whether_anything_changes(desk: Desk) -> None:
    data = desk.plan("-o", "json").data
    assert (data["changed"], data["base"], data["summary"]["add"]) == (True, None, 6)
    desk.applied()
    data = desk.plan("-o", "json").data
    assert (data["changed"], data["changes"], data["resources"]) == (False, [], [])


def test_a_saved_plan_is_applied_without_a_question(desk: Desk) -> None:
    desk.applied()
    desk.upstream("10s")
    planned = desk.plan("--out", "plan.json", "-o", "json").data
    assert (desk.directory / "plan.json").stat().st_mode & 0o777 == 0o600
    ran = desk.run("apply", "plan.json", "--envoy", "off", "--no-wait", "-o", "json")
    assert (ran.code, ran.data["revision"]) == (0, planned["revision"])
    assert desk.in_force == planned["revision"]
    again = desk.run("apply", "plan.json", "--envoy", "off", "--no-wait", "-o", "json")
    assert (again.code, again.data["changed"]) == (0, False)


def spec_changed(desk: Desk) -> None:
    desk.upstream("11s")


def something_else_applied(desk: Desk) -> None:
    desk.upstream("12s")
    desk.applied()
    desk.upstream("10s")


def another_gateway(desk: Desk) -> None:
    desk.write(name="other", upstreams={"u": {"endpoints": ["127.0.0.1:1"], "timeout": "10s"}})


def another_state(desk: Desk) -> None:
    desk.state.rename(desk.directory / "old")


def rewritten(**fields: Any) -> Any:
    def change(desk: Desk) -> None:
        path = desk.directory / "plan.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


def cut(desk: Desk) -> None:
    path = desk.directory / "plan.json"
    path.write_bytes(path.read_bytes()[:-30])


def overwritten(content: bytes) -> Any:
    return lambda desk: (desk.directory / "plan.json").write_bytes(content)


@pytest.mark.parametrize(
    ("meanwhile", "code", "words"),
    [
        (spec_changed, 1, "the spec renders to"),
        (something_else_applied, 1, "is in force by now: plan again"),
        (another_gateway, 1, "the spec renders to"),
        (another_state, 1, "and nothing is in force by now"),
        (rewritten(revision="0" * 12), 1, "the plan is for revision 000000000000"),
        (rewritten(base="0" * 12), 1, "the plan was made over 000000000000"),
        (rewritten(base=None), 1, "the plan was made over nothing"),
        (cut, 65, "is not a plan of this gatectl"),
        (rewritten(format=2), 65, "is not a plan of this gatectl"),
        (rewritten(format="1"), 65, "is not a plan of this gatectl"),
        (rewritten(changes=7), 65, "is not a plan of this gatectl"),
        (rewritten(files=[]), 65, "is not a plan of this gatectl"),
        (rewritten(files=["missing.yaml"]), 65, "missing.yaml cannot be read"),
        (overwritten(b""), 65, "is not a plan of this gatectl"),
        (overwritten(b"[" * 100_000), 65, "is not a plan of this gatectl"),
        (overwritten(b"\xff\xfe{}"), 65, "is not a plan of this gatectl"),
        (overwritten(b"version: 1\nname: shop\n"), 65, "is not a plan of this gatectl"),
        (lambda desk: (desk.directory / "plan.json").unlink(), 1, "plan.json cannot be read"),
    ],
)
def test_a_plan_that_does_not_hold_any_more_is_refused_and_changes_nothing(
    desk: Desk, meanwhile: Any, code: int, words: str
) -> None:
    desk.applied()
    desk.upstream("10s")
    assert desk.plan("--out", "plan.json").code == 0
    meanwhile(desk)
    before = desk.everything()
    ran = desk.run("apply", "plan.json", "--envoy", "off", "--no-wait")
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert desk.everything() == before


def test_a_secret_that_changed_since_makes_a_plan_stale(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "10s")
    desk.upstream("${T}")
    desk.plan("--out", "plan.json")
    monkeypatch.setenv("T", "11s")
    assert "renders to" in desk.run("apply", "plan.json", "--envoy", "off", "--no-wait").err


@pytest.mark.parametrize("out", ["missing/plan.json", "/proc/plan.json"])
def test_a_plan_that_cannot_be_kept_is_an_error_and_the_only_output(desk: Desk, out: str) -> None:
    ran = desk.plan("--out", out, "-o", "json")
    assert (ran.code, set(ran.data)) == (1, {"error"})


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_a_plan_is_not_written_over_a_directory(desk: Desk, out: str) -> None:
    assert desk.plan("--out", out).code == 64
    assert sorted(path.name for path in desk.directory.iterdir()) == ["gateway.yaml"]


def test_a_damaged_record_leaves_what_is_rendered_to_compare(desk: Desk) -> None:
    revision = desk.applied()
    (desk.state / "generations" / revision / "spec.json").write_text("{")
    desk.upstream("10s")
    for output in ("human", "markdown"):
        ran = desk.plan("-o", output)
        assert ran.code == 0
        assert "t is not known which spec the gateway runs" in ran.out
        assert "30s" not in ran.out
    assert desk.plan("-o", "json").data["changes"] is None


def test_a_generation_that_somebody_edited_is_drift(desk: Desk) -> None:
    revision = desk.applied()
    path = desk.state / "generations" / revision / "authz.json"
    path.write_text(path.read_text().replace('"public": true', '"public": false'))
    ran = desk.plan("--detailed-exitcode")
    assert ran.code == 2
    assert f"! files: generation {revision} was changed by hand" in ran.out
    ran = desk.run("drift", "--detailed-exitcode", "-o", "json")
    assert (ran.code, ran.data["drift"][0]["kind"]) == (2, "edited")
    assert desk.apply().code == 0
    assert desk.plan("--detailed-exitcode").code == 0


def test_what_belongs_to_the_owner_is_for_the_owner_only(desk: Desk) -> None:
    desk.applied()
    for path in [desk.state, *desk.state.rglob("*")]:
        if not path.is_symlink() and path.name != ".lock":
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_plan_from_several_files_is_applied_from_the_same_files(desk: Desk) -> None:
    Path("prod.yaml").write_text("listener: {port: 8123}\n")
    planned = desk.plan("-f", "gateway.yaml", "-f", "prod.yaml", "--out", "plan.json", "-o", "json").data
    assert planned["files"] == ["gateway.yaml", "prod.yaml"]
    desk.run("apply", "plan.json", "--envoy", "off", "--no-wait")
    assert desk.in_force == planned["revision"]
