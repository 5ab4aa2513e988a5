"""What lint found."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def _linted(out: Console, data: dict[str, Any]) -> None:
    for finding in data["findings"]:
        if finding["suppressed"]:
            continue
        line = Text(f"{finding['file']}:{finding['line']}:{finding['column']}: ")
        line.append(f"{finding['severity']}[{finding['rule']}]", _STYLES[finding["severity"]])
        line.append(f" {finding['message']}")
        out.print(line)
        out.print(Text(f"    {finding['fix']}", "dim"))
    counts = data["counts"]
    found = f"{_many(counts['error'], 'error')}, {_many(counts['warning'], 'warning')}, {counts['info']} info"
    ignored = f", {counts['suppressed']} ignored" if counts["suppressed"] else ""
    summary = Text(f"{data['gateway']}: ")
    summary.append(f"{data['score']:.1f} of 10 ({data['grade']})", "bold green" if data["passed"] else "bold red")
    out.print(summary.append(f", {found}{ignored}; docs/lint.md explains the rules"))
    if data["score"] < data["min_score"]:
        out.print(Text(f"the score is below {data['min_score']:.1f}", "bold red"))


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


SHOW: dict[str, Callable[[Console, Any], None]] = {"linted": _linted}
