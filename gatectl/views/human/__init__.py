"""For people: short sentences, tables, colours on a terminal only."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from gatectl.diagnostics import Diagnostic
from gatectl.rollout.converge import OnEvent
from gatectl.views import ask, colours
from gatectl.views.human import (
    audit,
    credentials,
    gateway,
    limits,
    lint,
    objects,
    rehearsal,
    rollout,
    spec_files,
    status,
)

_FAMILIES = (audit, gateway, credentials, limits, lint, objects, rehearsal, rollout, spec_files, status)
_SHOW = {kind: show for family in _FAMILIES for kind, show in family.SHOW.items()}
"""How each kind of result looks; a family of results is a module beside this one."""
_PICTURES: dict[str, Callable[[Any], RenderableType]] = {"refused": limits.picture, "status": status.picture}
"""Results that may be shown again and again in one place."""


class HumanView:
    """Results on stdout, everything else on stderr."""

    def __init__(self) -> None:
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    def result(self, kind: str, data: Any) -> None:
        """Shown by what it is: each kind of result has its function."""
        _SHOW[kind](self._out, data)

    @contextmanager
    def repeating(self, kind: str) -> Iterator[Callable[[Any], None]]:
        """Drawn over the last one on a terminal, one below the other elsewhere."""
        if not self._out.is_terminal:
            yield lambda data: self._below(kind, data)
            return
        with Live(console=self._out, auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda data: live.update(_PICTURES[kind](data), refresh=True)

    @contextmanager
    def streaming(self, kind: str) -> Iterator[Callable[[Any], None]]:
        """A line each; flushed, so that whoever follows sees it at once."""

        def show(data: Any) -> None:
            self.result(kind, data)
            self._out.file.flush()

        yield show

    def _below(self, kind: str, data: Any) -> None:
        self.result(kind, data)
        self._out.print()
        self._out.file.flush()

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """One line each, in reading order; editors link ``file:line:column``."""
        for diagnostic in diagnostics:
            line = Text(f"{diagnostic.location}: " if diagnostic.location else "")
            style = "bold red" if diagnostic.severity == "error" else "yellow"
            line.append(f"{diagnostic.severity}[{diagnostic.code}]", style)
            line.append(f" {diagnostic.message}")
            if diagnostic.hint:
                line.append(f" ({diagnostic.hint})", "cyan")
            self._err.print(line)
        errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
        self._err.print(f"{errors} error{'s' if errors != 1 else ''}: see docs/errors.md", style="dim")

    def failure(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:  # noqa: ARG002 - all said
        """Why not."""
        self._err.print(Text("error: ", "bold red").append(message, "default"))

    def progress(self, message: str) -> None:
        """One line a step."""
        self._err.print(Text("  … ", "dim").append(message, "default"))

    @contextmanager
    def following(self, targets: Sequence[str]) -> Iterator[OnEvent]:
        """A table that fills on a terminal, one line an event elsewhere."""
        if not self._err.is_terminal or not targets:
            yield lambda event: self.progress(str(event))
            return
        with rollout.Board(self._err, targets) as board:
            yield board.show

    def confirms(self, question: str) -> bool:
        """Asks."""
        return ask(question)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if terminal else 1000,  # a pipe has no width: nothing is cut off
        no_color=not colours(terminal),
        force_terminal=terminal,
        highlight=False,
        soft_wrap=True,
        markup=False,
        emoji=False,
    )
