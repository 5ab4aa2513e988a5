"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from gatectl.diagnostics import Location
from gatectl.lint.subject import Subject, Thing

Severity = Literal["error", "warning", "info"]
Category = Literal["security", "reliability", "hygiene"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""From the mildest on."""
DOCUMENT = "docs/lint.md"


@dataclass(frozen=True)
class Found:
    """One place that breaks a rule: ``thing`` with ``text`` makes the message; ``fix`` when it differs from the
    rule's.
    """

    thing: Thing
    text: str
    at: Location
    fix: str | None = None


@dataclass(frozen=True)
class Rule:
    """``cost`` is what its first finding takes from the score, in tenths of a point; 0 unless it is about security.

    ``id`` and ``name`` never change their meaning. ``why`` and ``fix`` are whole sentences; ``title`` is the start of
    one.
    """

    id: str
    name: str
    severity: Severity
    category: Category
    cost: int
    title: str
    why: str
    fix: str
    check: Callable[[Subject], Iterator[Found]]

    @property
    def anchor(self) -> str:
        """Where the rule is explained in ``DOCUMENT``."""
        return f"{self.id.lower()}-{self.name}"

    @property
    def documentation(self) -> str:
        """The same as a link from the root of the project."""
        return f"{DOCUMENT}#{self.anchor}"
