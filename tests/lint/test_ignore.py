"""The ignore list: with a reason, and only for what is there."""

from pathlib import Path

import pytest

from gatectl.diagnostics import SpecError
from gatectl.lint.ignore import FILE
from gatectl.lint.report import Report
from gatectl.rollout.linting import lint_files
from tests.lint.cases import BASE

OPEN = """
routes:
  - {name: a, match: {path: /a}, upstream: u, access: public}
  - {name: b, match: {path: /b}, upstream: u, access: public}
"""
SPEC = BASE.partition("routes:")[0] + OPEN + "rate_limits:" + BASE.partition("rate_limits:")[2]


def linted(directory: Path, ignored: str | None, name: str = FILE, explicit: Path | None = None) -> Report:
    (directory / "gateway.yaml").write_text(SPEC)
    if ignored is not None:
        (directory / name).write_text(ignored)
    return lint_files([str(directory / "gateway.yaml")], explicit, "error", 0)


def told(report: Report) -> list[str]:
    return [f"{one.rule.id} {one.object}" for one in report.findings if one.reason is None]


def test_without_a_list_everything_is_told(tmp_path: Path) -> None:
    report = linted(tmp_path, None)
    assert told(report) == ["GL001 route a", "GL001 route b"]
    assert (report.score, report.passed) == (40, False)


def test_an_entry_with_an_object_ignores_that_one(tmp_path: Path) -> None:
    report = linted(tmp_path, "ignore: [{rule: GL001, object: route a, reason: a webhook}]")
    assert told(report) == ["GL001 route b"]
    assert (report.score, report.passed) == (60, False)
    assert [one.reason for one in report.findings] == ["a webhook", None]
    assert report.data()["counts"] == {"error": 1, "warning": 0, "info": 0, "suppressed": 1}


def test_an_entry_without_an_object_ignores_them_all_and_ignored_findings_cost_nothing(tmp_path: Path) -> None:
    report = linted(tmp_path, "ignore: [{rule: GL001, reason: an echo}]")
    assert told(report) == []
    assert (report.score, report.passed) == (100, True)


def test_an_entry_for_what_is_not_there_any_more_is_told_in_its_place(tmp_path: Path) -> None:
    text = "ignore:\n  - {rule: GL001, reason: an echo}\n  - {rule: GL001, object: route c, reason: gone}\n"
    report = linted(tmp_path, text)
    assert told(report) == ["GL080 ignore list"]
    (finding,) = [one for one in report.findings if one.reason is None]
    assert (Path(finding.at.file).name, finding.at.line, finding.at.column) == (FILE, 3, 5)
    assert report.passed


def test_a_list_of_another_name_must_be_named(tmp_path: Path) -> None:
    text = "ignore: [{rule: GL001, reason: an echo}]"
    assert told(linted(tmp_path, text, "other.yaml")) == ["GL001 route a", "GL001 route b"]
    assert told(linted(tmp_path, text, "other.yaml", tmp_path / "other.yaml")) == []


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("ignore: [{rule: GL001}]", '1:10: error[GC0101] "reason" is missing'),
        ("ignore: [{rule: GL001, reason: }]", '1:32: error[GC0102] "reason" must be text'),
        ("ignore: [{rule: GL001, reason: ' '}]", '1:32: error[GC0106] "reason" must match'),
        ("ignore: [{rule: GL001, object: , reason: x}]", '1:32: error[GC0106] "object": a value is needed'),
        ("ignore: [{rule: GL999, reason: x}]", '1:17: error[GC0103] there is no rule "GL999"'),
        ("ignore: [{rule: gl001, reason: x}]", '(did you mean "GL001"?)'),
        ("ignore: [{rule: GL001, reasons: x}]", '1:24: error[GC0100] unknown field "reasons" (did you mean "reason"?)'),
        ("ignores: []", '1:1: error[GC0100] unknown field "ignores" (did you mean "ignore"?)'),
        ("- {rule: GL001, reason: x}", "1:1: error[GC0102] an ignore list is a mapping of fields"),
        ("ignore: [{rule: GL001, reason: x", "error[GC0002]"),
        ("", "1:1: error[GC0002] the file is empty"),
    ],
)
def test_a_mistake_in_the_list_is_told_with_its_place(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(SpecError) as raised:
        linted(tmp_path, text)
    assert f"{FILE}:{mistake}" in str(raised.value) or mistake in str(raised.value), str(raised.value)
    assert FILE in str(raised.value)


def test_a_list_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="GC0001"):
        linted(tmp_path, None, explicit=tmp_path / "missing.yaml")


def test_all_mistakes_of_a_list_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        linted(tmp_path, "ignore: [{rule: GL001}, {reason: x}, {rule: GL001, reason: x, more: 1}]")
    assert len(raised.value.diagnostics) == 3
