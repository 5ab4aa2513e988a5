"""For code scanning: one SARIF 2.1.0 document (OASIS) on stdout, whatever happens."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gatectl import __version__
from gatectl.diagnostics import CODES, Diagnostic
from gatectl.lint.rules import RULES
from gatectl.views import write
from gatectl.views.aside import Aside

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_SECURITY_SEVERITY = {"error": "8.0", "warning": "5.0", "info": "2.0"}
"""What code scanning sorts by: from 7.0 on it is high, from 4.0 on medium."""
Part = dict[str, Any]


class SarifView(Aside):
    """Findings and mistakes as results, a failure as a notification."""

    def result(self, kind: str, data: Any) -> None:  # noqa: ARG002 - lint alone speaks SARIF
        """What lint found; what is ignored is there too, as suppressed."""
        rules = {finding["rule"]: None for finding in data["findings"]}
        described = [_rule(rule) for rule in RULES if rule.id in rules]
        results = [_finding(finding) for finding in data["findings"]]
        score = {"score": data["score"], "grade": data["grade"], "passed": data["passed"]}
        _write(described, results, properties=score)

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Mistakes in the spec, under their own codes."""
        _write(_codes(diagnostics), [_mistake(diagnostic) for diagnostic in diagnostics])

    def failure(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        """Why not, and the places that are known."""
        _write(_codes(diagnostics), [_mistake(diagnostic) for diagnostic in diagnostics], failure=message)


def _codes(diagnostics: tuple[Diagnostic, ...]) -> list[Part]:
    """The codes of mistakes, described as rules."""
    return [
        {
            "id": code,
            "shortDescription": {"text": CODES[code]},
            "help": {"text": "See docs/errors.md."},
            "defaultConfiguration": {"level": "error"},
        }
        for code in sorted({diagnostic.code for diagnostic in diagnostics})
    ]


def _rule(rule: Any) -> Part:
    properties: Part = {"tags": [rule.category]}
    if rule.category == "security":
        properties["security-severity"] = _SECURITY_SEVERITY[rule.severity]
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": f"{rule.title[0].upper()}{rule.title[1:]}"},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": f"{rule.why} {rule.fix} See {rule.documentation}.",
            "markdown": f"{rule.why}\n\n{rule.fix}\n\nSee `{rule.documentation}`.",
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": properties,
    }


def _finding(finding: Part) -> Part:
    identity = "\n".join((finding["rule"], finding["object"], finding["message"]))
    result = {
        "ruleId": finding["rule"],
        "level": _LEVELS[finding["severity"]],
        "message": {"text": f"{finding['message']}. {finding['fix']}"},
        "locations": [_location(finding["file"], finding["line"], finding["column"])],
        "partialFingerprints": {"finding/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }
    if finding["suppressed"]:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding["reason"]}]
    return result


def _mistake(diagnostic: Diagnostic) -> Part:
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    at = diagnostic.location
    return {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": f"{diagnostic.message}{hint}"},
        "locations": [_location(at.file, at.line, at.column)] if at else [],
    }


def _location(file: str, line: int, column: int) -> Part:
    path = Path(file)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    region = {"startLine": line, "startColumn": column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def _write(
    rules: list[Part], results: list[Part], *, properties: Part | None = None, failure: str | None = None
) -> None:
    indices = {rule["id"]: index for index, rule in enumerate(rules)}
    invocation: Part = {"executionSuccessful": failure is None}
    if failure is not None:
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": failure}}]
    run: Part = {
        "tool": {"driver": {"name": "gatectl", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [{**result, "ruleIndex": indices[result["ruleId"]]} for result in results],
    }
    if properties is not None:
        run["properties"] = properties
    write(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n")
