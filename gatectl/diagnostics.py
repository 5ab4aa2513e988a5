"""Mistakes as values: a stable code, where it is, what is wrong, what to do.

Every code is listed in ``CODES`` and explained in ``docs/errors.md``; a code never changes its meaning.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

CODES = {
    "GC0001": "the file cannot be read",
    "GC0002": "the text is not YAML",
    "GC0003": "a key stands twice in one mapping",
    "GC0004": "an environment reference is wrong or unset",
    "GC0005": "the file cannot be formatted",
    "GC0100": "unknown field",
    "GC0101": "a field is missing",
    "GC0102": "a value has the wrong type or is not one of the allowed words",
    "GC0103": "a name refers to nothing",
    "GC0104": "two objects have the same name",
    "GC0105": "a duration, size or rate cannot be read",
    "GC0106": "a value is out of range or malformed",
    "GC0107": "a route can never match",
    "GC0108": "two settings contradict each other",
    "GC0109": "a certificate or key cannot be used",
    "GC0110": "a certificate or key was not checked",
    "GC0111": "a condition cannot be understood",
    "GC0200": "the rendered configuration is not valid Envoy API",
    "GC0201": "Envoy refuses the configuration",
    "GC0400": "the document is not what can be imported",
    "GC0401": "something is not carried over by an import",
    "GC0402": "an import had to decide something",
    "GC0403": "a line is not the record of an API key",
}
"""Code → title. 00xx reading, 01xx the spec, 02xx what it renders to, 04xx imports."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Location:
    """A place in a text: line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """``file:line:column``, as editors and terminals link it."""
        return f"{self.file}:{self.line}:{self.column}"

    @classmethod
    def parse(cls, text: str) -> "Location":
        """Back from ``file:line:column``. Raises ValueError."""
        file, line, column = text.rsplit(":", 2)
        return cls(file, int(line), int(column))


@dataclass(frozen=True)
class Diagnostic:
    """One mistake. ``hint`` says what to do, as a sentence without capital; ``location`` is None for whole files.

    ``message`` and ``hint`` become one printable line: what they quote must not steer a terminal.
    """

    code: str
    message: str
    location: Location | None = None
    hint: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        """An unlisted code is a bug here, found by the first test that meets it."""
        assert self.code in CODES, self.code
        object.__setattr__(self, "message", printable(self.message))
        object.__setattr__(self, "hint", self.hint and printable(self.hint))

    def __str__(self) -> str:
        """``gateway.yaml:12:7: error[GC0103] message (hint)``."""
        place = f"{self.location}: " if self.location else ""
        return f"{place}{self.severity}[{self.code}] {self.message}" + (f" ({self.hint})" if self.hint else "")

    def data(self) -> dict[str, Any]:
        """Plain data with stable names."""
        at = self.location
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
            "file": at.file if at else None,
            "line": at.line if at else None,
            "column": at.column if at else None,
        }

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Reading order: by file, line, column."""
        at = self.location or Location("", 0, 0)
        return at.file, at.line, at.column, self.code, self.message


def printable(text: str) -> str:
    """``text`` with everything that could steer a terminal, or begin a line of its own, spelt out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class SpecError(Exception):
    """The spec is wrong: all its mistakes at once, in reading order. Exit code 65."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics), key=lambda diagnostic: diagnostic.sort_key))
        super().__init__("\n".join(map(str, self.diagnostics)))


class GatectlError(Exception):
    """Something else than the spec went wrong; the message is a sentence for the user that says what to do.

    ``exit_code``: 1 error, 4 a data plane rejected it and everything was put back, 5 no convergence in time or
    unreachable, 64 usage. ``diagnostics`` say where in the spec the reason is, when that is known.
    """

    def __init__(self, message: str, exit_code: int = 1, diagnostics: Iterable[Diagnostic] = ()) -> None:
        self.exit_code, self.diagnostics = exit_code, tuple(diagnostics)
        super().__init__(message)
