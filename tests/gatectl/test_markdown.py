"""A plan as a comment on a pull request: it fits, and nothing in it can break out of its frame."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatectl.changes.effects import Effect
from gatectl.changes.objects import Change, FieldChange
from gatectl.rollout.drift import Drift
from gatectl.rollout.plan import Plan
from gatectl.views import view
from tests.gatectl.changing import side
from tests.gatectl.specs import MINIMAL, route
from tests.gatectl.test_secrets_stay import plan

ROOM = 65_536
"""Characters of a comment on GitHub."""


def comment(one: Plan, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    view("markdown").result("planned", one.data())
    return capsys.readouterr().out


def made(text: str, count: int = 1, **fields: Any) -> Plan:
    """A plan in which a text stands wherever one can."""
    changes = (
        Change("add", "route", text, None),
        Change(
            "change", "upstream", text, None, (FieldChange(text, text, [text]), FieldChange("x", [text], [text, text]))
        ),
    )
    return Plan(
        gateway=text,
        base="a" * 12,
        revision="b" * 12,
        files=(text,),
        made_at="now",
        by=text,
        changes=changes * count,
        resources=changes * count,
        deletes={},
        effects=(Effect("opens-access", text, text),) * count,
        drift=(Drift("behind", text, text),) * count,
    ).model_copy(update=fields)


def frames(text: str) -> list[str]:
    """What stands outside of the fenced blocks (CommonMark, section 4.5), line by line."""
    outside, fence = [], None
    for line in text.split("\n"):
        ticks = re.fullmatch(r" {0,3}(`{3,})([^`]*)", line)
        if fence is None and ticks:
            fence = ticks[1]
        elif fence is not None and ticks and len(ticks[1]) >= len(fence) and not ticks[2].strip():
            fence = None
        elif fence is None:
            outside.append(line)
    assert fence is None, "a frame is left open"
    return outside


NASTY = st.text(alphabet="`~<>/@#[]()!*_\n\r\u2028\x1b ax", max_size=60)


@settings(max_examples=60)
@given(text=NASTY)
@example(text="```\n</details>\n# Approved by @somebody\n")
@example(text="x\n````\n<script>")
@example(text="`" * 400)
@example(text="` @somebody `")
def test_no_text_breaks_out_of_its_frame(text: str) -> None:
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gatectl.views.markdown.write", printed.append)
        view("markdown").result("planned", made(text).data())
    (shown,) = printed
    assert shown.isprintable() or all(one.isprintable() or one == "\n" for one in shown)
    name, *rest = frames(shown)
    assert re.fullmatch(r"### gatectl plan: `[^`]*`", name)
    allowed = [
        r"",
        r"\*\*.* to destroy\*\* \(`a{12}` → `b{12}`\)",
        r"<details open><summary>(Warnings|Drift|Spec|Envoy and services)</summary>",
        r"</details>",
    ]
    assert [line for line in rest if not any(re.fullmatch(one, line) for one in allowed)] == []


@pytest.mark.parametrize("text", ["x", "`" * 10_000, "\x1b💥" * 1_000])
@pytest.mark.parametrize("count", [1, 40, 800])
def test_any_plan_fits_into_one_comment(capsys: pytest.CaptureFixture[str], text: str, count: int) -> None:
    shown = comment(made(text, count), capsys)
    assert len(shown) <= ROOM
    assert len(shown.encode("utf-16-le")) // 2 <= ROOM * 2
    frames(shown)
    if count == 800:
        assert re.search(r"… and \d+ more lines", shown)


def test_an_empty_frame_is_left_out_and_warnings_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = side(tmp_path, MINIMAL)
    after = side(tmp_path, MINIMAL | {"routes": [route(), route("new", {"path": "/new"})]})
    shown = comment(plan(before, after), capsys)
    assert re.findall("<summary>(.*)</summary>", shown) == ["Warnings", "Spec", "Envoy and services"]
    assert '+ route "new"' in shown
    assert "**1 to add, 0 to change, 0 to destroy**" in shown
    assert "No changes: " in comment(made("x", base="b" * 12, drift=(), effects=(), changes=(), resources=()), capsys)


def test_two_thousand_changed_routes_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routes = [route(f"r{n}", {"path": f"/{n}"}) for n in range(2000)]
    before, after = (side(tmp_path, MINIMAL | {"routes": one}) for one in (routes[:1], routes))
    assert len(comment(plan(before, after), capsys)) <= ROOM
