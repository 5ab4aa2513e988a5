"""From a gateway to a report: what was found, what of it is ignored, and whether that is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gatectl.diagnostics import Location, printable
from gatectl.lint.ignore import Entry, Ignored
from gatectl.lint.rule import SEVERITIES, Found, Rule
from gatectl.lint.rules import RULES
from gatectl.lint.rules.ignoring import UNUSED_IGNORE
from gatectl.lint.score import grade, score
from gatectl.lint.subject import Subject, Thing

FailOn = Literal["error", "warning", "info", "never"]


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule. ``reason`` is why that is ignored; None when it is not."""

    rule: Rule
    object: str
    message: str
    fix: str
    at: Location
    reason: str | None = None

    def data(self, fail_on: FailOn) -> dict[str, Any]:
        """Plain data with stable names."""
        return {
            "rule": self.rule.id,
            "name": self.rule.name,
            "severity": self.rule.severity,
            "category": self.rule.category,
            "message": self.message,
            "object": self.object,
            "file": self.at.file,
            "line": self.at.line,
            "column": self.at.column,
            "fix": self.fix,
            "documentation": self.rule.documentation,
            "suppressed": self.reason is not None,
            "reason": self.reason,
            "fails": self.fails(fail_on),
        }

    def fails(self, fail_on: FailOn) -> bool:
        """Whether it is at or above ``fail_on``."""
        if self.reason is not None or fail_on == "never":
            return False
        return SEVERITIES.index(self.rule.severity) >= SEVERITIES.index(fail_on)


@dataclass(frozen=True)
class Report:
    """Findings in reading order. ``least`` is the lowest score that passes, in tenths of a point."""

    gateway: str
    findings: tuple[Finding, ...]
    fail_on: FailOn
    least: int

    @property
    def score(self) -> int:
        """In tenths of a point."""
        return score(finding.rule for finding in self.findings if finding.reason is None)

    @property
    def passed(self) -> bool:
        """Whether nothing fails and the score is high enough."""
        return self.score >= self.least and not any(finding.fails(self.fail_on) for finding in self.findings)

    def data(self) -> dict[str, Any]:
        """Plain data with stable names."""
        shown = [finding for finding in self.findings if finding.reason is None]
        return {
            "gateway": self.gateway,
            "passed": self.passed,
            "score": self.score / 10,
            "grade": grade(self.score),
            "fail_on": self.fail_on,
            "min_score": self.least / 10,
            "counts": {
                **{severity: sum(f.rule.severity == severity for f in shown) for severity in reversed(SEVERITIES)},
                "suppressed": len(self.findings) - len(shown),
            },
            "findings": [finding.data(self.fail_on) for finding in self.findings],
        }


def lint(subject: Subject, ignored: Ignored, fail_on: FailOn, least: int) -> Report:
    """Hold a gateway against every rule."""
    findings = [
        _finding(rule, found, [entry for entry, _ in ignored if entry.rule == rule.id])
        for rule in RULES
        for found in rule.check(subject)
    ]
    findings += [_unused(entry, at) for entry, at in ignored if not any(_holds(entry, one) for one in findings)]
    findings.sort(key=lambda finding: (finding.at, finding.rule.id, finding.message))
    return Report(subject.spec.name, tuple(findings), fail_on, least)


def _finding(rule: Rule, found: Found, entries: Sequence[Entry]) -> Finding:
    message, fix = printable(f"{found.thing.quoted} {found.text}"), printable(found.fix or rule.fix)
    finding = Finding(rule, printable(str(found.thing)), message, fix, found.at)
    entry = next((entry for entry in entries if _holds(entry, finding)), None)
    return finding if entry is None else Finding(rule, finding.object, message, fix, found.at, entry.reason)


def _holds(entry: Entry, finding: Finding) -> bool:
    return entry.rule == finding.rule.id and entry.object in {None, finding.object}


def _unused(entry: Entry, at: Location) -> Finding:
    what = f'"{entry.object}"' if entry.object is not None else "any object"
    return _finding(
        UNUSED_IGNORE, Found(Thing("ignore list"), f"names {entry.rule} on {what}: nothing is there", at), []
    )
