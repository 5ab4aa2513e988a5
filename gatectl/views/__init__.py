"""The only code that prints: what was asked for on stdout, everything else on stderr."""

import importlib
import os
import sys
from typing import Any, Literal, Protocol

from gatectl.diagnostics import Diagnostic

Output = Literal["human", "json"]
"""What every command can speak. Some speak more: see ``FORMATS``."""
FORMATS = {
    "human": "HumanView",
    "json": "JsonView",
}
"""Every ``-o`` word: a module beside this one, and its class."""


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


def view(output: str) -> View:
    """The view for ``-o``; only the one that is needed is imported."""
    module = importlib.import_module(f"gatectl.views.{output}")
    shown: View = getattr(module, FORMATS[output])()
    return shown


def colours(stream_is_terminal: bool) -> bool:
    """NO_COLOR (no-color.org) and TERM=dumb switch colours off; so does everything that is no terminal."""
    return stream_is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(text: str) -> None:
    """Data on stdout, as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()
