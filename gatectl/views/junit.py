"""For test reports: JUnit XML on stdout, as every CI server reads it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from gatectl.diagnostics import Diagnostic
from gatectl.views import write
from gatectl.views.aside import Aside

_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What an XML 1.0 document cannot hold, not even escaped; and the carriage return, which a reader would change."""


@dataclass(frozen=True)
class Case:
    """One test. ``failure`` is why it failed, ``skipped`` why it was not run; ``place`` is ``file:line:column``."""

    name: str
    failure: str | None = None
    place: str = ""
    seconds: float = 0.0
    skipped: str | None = None
    output: str = ""


Suite = tuple[str, Sequence[Case]]
"""Cases under one name."""


def junit(suites: Iterable[Suite]) -> str:
    """The document. Any text will do: what XML cannot hold is shown as an escape."""
    root = ET.Element("testsuites")
    for name, cases in suites:
        numbers = {
            "tests": len(cases),
            "failures": sum(case.failure is not None for case in cases),
            "errors": 0,
            "skipped": sum(case.skipped is not None for case in cases),
            "time": f"{sum(case.seconds for case in cases):.3f}",
        }
        suite = ET.SubElement(root, "testsuite", _attributes({"name": name, **numbers}))
        for case in cases:
            _case(suite, name, case)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, group: str, case: Case) -> None:
    file, line, _ = case.place.rsplit(":", 2) if case.place else (None, None, None)
    attributes = {"classname": group, "name": case.name, "time": f"{case.seconds:.3f}", "file": file, "line": line}
    element = ET.SubElement(suite, "testcase", _attributes(attributes))
    if case.failure is not None:
        first = case.failure.partition("\n")[0]
        ET.SubElement(element, "failure", _attributes({"message": first})).text = _text(case.failure)
    if case.skipped is not None:
        ET.SubElement(element, "skipped", _attributes({"message": case.skipped}))
    if case.output:
        ET.SubElement(element, "system-out").text = _text(case.output)


def _attributes(values: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(str(value)) for name, value in values.items() if value is not None}


def _text(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class JunitView(Aside):
    """Results as tests: one that fails is one that makes the command fail. Mistakes are tests that failed."""

    def result(self, kind: str, data: Any) -> None:
        """One document."""
        write(junit(_SUITES[kind](data)))

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Mistakes in the spec: all of them fail."""
        write(junit([("spec", [_mistake(diagnostic) for diagnostic in diagnostics])]))

    def failure(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        """One test that failed, and one for each place that is known."""
        cases = [Case("run", failure=message), *(_mistake(diagnostic) for diagnostic in diagnostics)]
        write(junit([("gatectl", cases)]))


def _linted(data: dict[str, Any]) -> list[Suite]:
    """One test for the score, and one for each finding: what is ignored is skipped."""
    score = f"{data['score']:.1f} of 10 ({data['grade']})"
    low = f"{score}: below {data['min_score']:.1f}" if data["score"] < data["min_score"] else None
    cases = [Case("score", failure=low, output=score), *(_finding(finding) for finding in data["findings"])]
    return [("gatectl lint", cases)]


def _finding(finding: dict[str, Any]) -> Case:
    place = f"{finding['file']}:{finding['line']}:{finding['column']}"
    text = f"{place}: {finding['message']}\n{finding['fix']}\n{finding['documentation']}"
    return Case(
        f"{finding['rule']} {finding['name']}: {finding['object']}",
        failure=text if finding["fails"] else None,
        place=place,
        skipped=finding["reason"],
        output="" if finding["fails"] else text,
    )


def _mistake(diagnostic: Diagnostic) -> Case:
    place = str(diagnostic.location) if diagnostic.location else ""
    return Case(f"{diagnostic.code}: {diagnostic.message}", failure=str(diagnostic), place=place)


def _tested(data: dict[str, Any]) -> list[Suite]:
    """The user's own tests, and one for the coverage."""
    cases = [
        Case(test["name"], _expectations(test["failures"]), test["place"], test["seconds"]) for test in data["tests"]
    ]
    percent, least = data["coverage"]["percent"], data["fail_under"]
    low = f"{percent}% are covered, and {least}% are asked for" if percent < least else None
    return [(data["file"], cases), ("coverage", [Case(f"at least {least}%", low)])]


def _expectations(failures: list[dict[str, Any]]) -> str | None:
    lines = (f"{one['place']}: {one['field']}: expected {one['expected']}, got {one['got']}" for one in failures)
    return "\n".join(lines) or None


_SUITES: dict[str, Callable[[Any], list[Suite]]] = {"linted": _linted, "tested": _tested}
"""What each kind of result becomes."""
