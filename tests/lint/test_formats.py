"""SARIF, GitHub's workflow commands and JUnit: well-formed whatever the texts are, and complete."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.diagnostics import CODES, Diagnostic, Location
from gatectl.lint.report import Finding, Report
from gatectl.lint.rules import RULES
from gatectl.views import FORMATS, view
from gatectl.views.github import command
from gatectl.views.junit import Case, junit

TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        "]]>",
        "<![CDATA[",
        "</failure>",
        "&amp;",
        "\x00\x1b[31m",
        "::error::x",
        "%0A",
        "a\r\nb",
        "a:b,c=d",
        "\ufffe\u0085",
    ]
)
LINE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40)
PLACES = st.builds(
    Location, st.sampled_from(["gateway.yaml", "/etc/gate way.yaml", "<stdin>", "a/b%c#?.yaml"]),
    st.integers(1, 9999), st.integers(1, 999),
)  # fmt: skip
FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(RULES), LINE, LINE, LINE, PLACES, st.none() | TEXT.filter(str.strip)), max_size=6
)
REPORTS = st.builds(
    Report, LINE, FINDINGS.map(tuple), st.sampled_from(["error", "warning", "info", "never"]), st.integers(0, 100)
)
DIAGNOSTICS = st.lists(
    st.builds(Diagnostic, st.sampled_from(sorted(CODES)), TEXT, st.none() | PLACES, st.none() | TEXT)
)


@pytest.fixture(scope="module")
def shown() -> Callable[..., str]:
    """What a view writes on stdout for one call of it."""
    written: list[str] = []

    def show(output: str, method: str, *arguments: Any) -> str:
        written.clear()
        with pytest.MonkeyPatch.context() as patch:
            for module in ("sarif", "github", "junit"):
                patch.setattr(f"gatectl.views.{module}.write", written.append)
            getattr(view(output), method)(*arguments)
        return "".join(written)

    return show


# the essentials of the SARIF 2.1.0 schema: what is required, which words are allowed, what refers to what
LEVELS = {"none", "note", "warning", "error"}


def check_sarif(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "gatectl"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in LEVELS
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        assert isinstance(result["message"]["text"], str)
        for location in result["locations"]:
            physical = location["physicalLocation"]
            assert set(physical) == {"artifactLocation", "region"}
            assert re.fullmatch(r"[A-Za-z0-9._~:/%-]+", physical["artifactLocation"]["uri"])
            assert physical["region"]["startLine"] >= 1
            assert physical["region"]["startColumn"] >= 1
        for suppression in result.get("suppressions", ()):
            assert suppression["kind"] in {"inSource", "external"}
            assert suppression["status"] in {"accepted", "underReview", "rejected"}
    assert all(isinstance(one["executionSuccessful"], bool) for one in run["invocations"])
    return run


@given(REPORTS)
def test_sarif_has_every_finding_at_its_place(shown: Callable[..., str], report: Report) -> None:
    run = check_sarif(shown("sarif", "result", "linted", report.data()))
    assert run["properties"]["score"] == report.score / 10
    for finding, result in zip(report.findings, run["results"], strict=True):
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert unquote(urlsplit(uri).path) == finding.at.file
        assert result["ruleId"] == finding.rule.id
        assert [one["justification"] for one in result.get("suppressions", ())] == (
            [finding.reason] if finding.reason is not None else []
        )


@given(DIAGNOSTICS)
def test_sarif_has_every_mistake_of_a_spec(shown: Callable[..., str], found: list[Diagnostic]) -> None:
    run = check_sarif(shown("sarif", "diagnostics", tuple(found)))
    assert [result["ruleId"] for result in run["results"]] == [one.code for one in found]


@given(TEXT)
def test_sarif_says_that_it_could_not_be_done(shown: Callable[..., str], message: str) -> None:
    run = check_sarif(shown("sarif", "failure", message, (Diagnostic("GC0201", message, Location("a.yaml", 1, 1)),)))
    assert [result["ruleId"] for result in run["results"]] == ["GC0201"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == message


COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-z]+=[^:,\r\n]*)(?:,[a-z]+=[^:,\r\n]*)*)::([^\r\n]*)\n")


def decoded(text: str) -> str:
    for code, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


@given(TEXT, TEXT)
def test_a_workflow_command_is_one_line_and_carries_its_texts_whole(message: str, title: str) -> None:
    line = command("error", message, file="a.yaml", title=title)
    match = COMMAND.fullmatch(line)
    assert match
    properties = dict(part.split("=", 1) for part in match[2].split(","))
    assert (decoded(match[3]), decoded(properties["title"])) == (message, title)


@given(REPORTS)
def test_github_gets_one_command_for_each_finding_that_is_not_ignored_and_one_for_the_score(
    shown: Callable[..., str], report: Report
) -> None:
    text = shown("github", "result", "linted", report.data())
    assert COMMAND.sub("", text) == ""
    commands = COMMAND.findall(text)
    assert len(commands) == sum(finding.reason is None for finding in report.findings) + 1
    assert commands[-1][0] == ("notice" if report.passed else "error")


@given(DIAGNOSTICS)
def test_github_gets_every_mistake(shown: Callable[..., str], found: list[Diagnostic]) -> None:
    text = shown("github", "diagnostics", tuple(found))
    assert COMMAND.sub("", text) == ""
    assert len(COMMAND.findall(text)) == len(found)


def as_xml(text: str) -> str:
    """What a text reads as: XML holds no other characters, and its readers turn \\r into \\n."""
    return "".join(
        one if one in "\t\n" or " " <= one <= "\ud7ff" or "\ue000" <= one <= "\ufffd" or one > "\uffff"
        else f"\\u{ord(one):04x}"
        for one in text
    )  # fmt: skip


CASES = st.lists(
    st.builds(
        Case,
        name=TEXT,
        failure=st.none() | TEXT,
        output=TEXT,
        place=st.just("") | PLACES.map(str),
        seconds=st.floats(0, 9),
    )
)


@given(st.lists(st.tuples(TEXT, CASES), max_size=3))
def test_junit_is_xml_whatever_the_texts_are_and_counts_right(suites: list[tuple[str, list[Case]]]) -> None:
    document = junit(suites)
    root = ET.fromstring(document.encode())  # noqa: S314 - our own
    for (name, cases), element in zip(suites, root, strict=True):
        failures = [case for case in cases if case.failure is not None]
        assert element.get("name") == as_xml(name)
        assert (element.get("tests"), element.get("failures")) == (str(len(cases)), str(len(failures)))
        for case, part in zip(cases, element, strict=True):
            assert part.get("name") == as_xml(case.name)
            assert ":".join(filter(None, (part.get("file"), part.get("line")))) == case.place.rpartition(":")[0]
            failure = part.find("failure")
            assert (failure is None) is (case.failure is None)
            assert failure is None or (failure.text or "") == as_xml(case.failure or "")


@given(REPORTS)
def test_junit_fails_exactly_when_the_command_does(shown: Callable[..., str], report: Report) -> None:
    root = ET.fromstring(shown("junit", "result", "linted", report.data()).encode())  # noqa: S314 - our own
    assert (root.find(".//failure") is None) is report.passed
    ignored = [finding.reason for finding in report.findings if finding.reason is not None]
    assert len(root.findall(".//skipped")) == len(ignored)


@given(DIAGNOSTICS)
def test_junit_fails_for_every_mistake(shown: Callable[..., str], found: list[Diagnostic]) -> None:
    root = ET.fromstring(shown("junit", "diagnostics", tuple(found)).encode())  # noqa: S314 - our own
    assert len(root.findall(".//failure")) == len(found)


@pytest.mark.parametrize("output", sorted(FORMATS))
def test_every_format_shows_everything_that_can_happen(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding(RULES[0], "route a", "is open", "Close it.", Location("a.yaml", 1, 2))
    report = Report("g", (finding, replace(finding, reason="a webhook")), "error", 100)
    shown = view(output)
    shown.result("linted", report.data())
    assert capsys.readouterr().out
    shown.diagnostics(
        (Diagnostic("GC0100", "unknown", Location("a.yaml", 1, 2), "known"), Diagnostic("GC0001", "gone"))
    )
    shown.failure("no")
    told = capsys.readouterr()
    assert "GC0100" in (told.err if output in {"human", "markdown"} else told.out)
    shown.progress("working")
    assert "working" in capsys.readouterr().err


def test_the_place_of_an_absolute_file_is_a_file_uri(shown: Callable[..., str], tmp_path: Path) -> None:
    at = Location(str(tmp_path / "a b.yaml"), 1, 1)
    text = shown("sarif", "diagnostics", (Diagnostic("GC0100", "x", at),))
    uri = check_sarif(text)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (tmp_path / "a b.yaml").as_uri()
