"""The only code that prints: what was asked for on stdout, everything else on stderr."""

import os
import sys
from typing import Any, Literal, Protocol

from gatectl.diagnostics import Diagnostic

Output = Literal["human", "json"]


class View(Protocol):
    """How outcomes are shown. Every command shows its result once, as a value; how it looks is decided here."""

    def result(self, kind: str, data: Any) -> None:
        """The command's result, on stdout."""

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Mistakes in the spec."""

    def failure(self, message: str) -> None:
        """Why the command could not do it, on stderr."""

    def progress(self, message: str) -> None:
        """What is going on, on stderr."""


def view(output: Output) -> View:
    """The view for ``-o``."""
    if output == "json":
        from gatectl.views.json import JsonView  # noqa: PLC0415 - only the one that is needed

        return JsonView()
    from gatectl.views.human import HumanView  # noqa: PLC0415 - rich takes a while

    return HumanView()


def colours(stream_is_terminal: bool) -> bool:
    """NO_COLOR (no-color.org) and TERM=dumb switch colours off; so does everything that is no terminal."""
    return stream_is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(text: str) -> None:
    """Data on stdout, as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()
