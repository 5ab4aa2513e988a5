"""The only code that prints: what was asked for on stdout, everything else on stderr."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gatectl.diagnostics import Diagnostic, GatectlError

if TYPE_CHECKING:  # rollout needs httpx, which `--help` does not wait for
    from gatectl.rollout.converge import OnEvent

Output = Literal["human", "json"]
"""What every command can speak. Some speak more: see ``FORMATS``."""
FORMATS = {
    "human": "HumanView",
    "json": "JsonView",
    "markdown": "MarkdownView",
    "sarif": "SarifView",
    "github": "GithubView",
    "junit": "JunitView",
}
"""Every ``-o`` word: a module beside this one, and its class."""


class View(Protocol):
    """How outcomes are shown. Every command shows its result once, as a value; how it looks is decided here."""

    def result(self, kind: str, data: Any) -> None:
        """The command's result, on stdout."""

    def repeating(self, kind: str) -> AbstractContextManager[Callable[[Any], None]]:
        """Shows one result after the other for as long as the block lasts, on stdout."""

    def streaming(self, kind: str) -> AbstractContextManager[Callable[[Any], None]]:
        """Shows results one below the other as they come, on stdout: a line each."""

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Mistakes in the spec."""

    def failure(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        """Why the command could not do it, and where in the spec the reason is, when that is known."""

    def progress(self, message: str) -> None:
        """What is going on, on stderr."""

    def following(self, targets: Sequence[str]) -> "AbstractContextManager[OnEvent]":
        """Shows what happens to each target for as long as the block lasts, on stderr."""

    def confirms(self, question: str) -> bool:
        """Does the user say yes? Raises GatectlError (64) when there is nobody to ask."""


def view(output: str) -> View:
    """The view for ``-o``; only the one that is needed is imported."""
    module = importlib.import_module(f"gatectl.views.{output}")
    shown: View = getattr(module, FORMATS[output])()
    return shown


def colours(stream_is_terminal: bool) -> bool:
    """NO_COLOR (no-color.org) and TERM=dumb switch colours off; so does everything that is no terminal."""
    return stream_is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def ask(question: str) -> bool:
    """A question on the terminal, on stderr; anything but yes is no. Raises GatectlError (64) without a terminal."""
    if not sys.stdin.isatty():
        raise GatectlError("there is no terminal to ask on: pass --auto-approve, or apply a plan that was saved", 64)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def write(text: str) -> None:
    """Data on stdout, as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()
