"""For GitHub Actions: workflow commands on stdout, which become annotations of the files of a pull request."""

from typing import Any

from gatectl.diagnostics import Diagnostic
from gatectl.views import write
from gatectl.views.aside import Aside

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


class GithubView(Aside):
    """One command for each finding and mistake. What is ignored is counted, not annotated."""

    def result(self, kind: str, data: Any) -> None:  # noqa: ARG002 - lint alone annotates
        """What lint found, then the score."""
        for finding in data["findings"]:
            if not finding["suppressed"]:
                title = f"{finding['rule']} {finding['name']}"
                text = f"{finding['message']}\n{finding['fix']}\n{finding['documentation']}"
                place = {"file": finding["file"], "line": finding["line"], "col": finding["column"]}
                write(command(_COMMANDS[finding["severity"]], text, **place, title=title))
        counts = data["counts"]
        passed = "notice" if data["passed"] else "error"
        text = f"{data['gateway']}: {data['score']:.1f} of 10 ({data['grade']}), {counts['suppressed']} ignored"
        write(command(passed, text, title="gatectl lint"))

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Mistakes in the spec."""
        for diagnostic in diagnostics:
            at = diagnostic.location
            place = {"file": at.file, "line": at.line, "col": at.column} if at else {}
            text = diagnostic.message + (f"\n{diagnostic.hint}" if diagnostic.hint else "")
            write(command(_COMMANDS[diagnostic.severity], text, **place, title=diagnostic.code))

    def failure(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        """Why not, and at each place that is known."""
        write(command("error", message, title="gatectl"))
        self.diagnostics(diagnostics)


def command(name: str, message: str, **properties: object) -> str:
    """A workflow command as one line; no text can end it early or begin another one."""
    shown = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name} {shown}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
