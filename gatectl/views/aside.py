"""What all machine formats do alike: everything but the result is told on stderr, line by line."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gatectl.rollout.converge import OnEvent
from gatectl.views import View, ask


class Aside(View):
    """The part of a view that is no result."""

    @contextmanager
    def repeating(self, kind: str) -> Iterator[Callable[[Any], None]]:
        """One document after the other."""
        yield lambda data: self.result(kind, data)

    streaming = repeating

    def progress(self, message: str) -> None:
        """One line."""
        sys.stderr.write(f"{message}\n")

    @contextmanager
    def following(self, targets: Sequence[str]) -> Iterator[OnEvent]:  # noqa: ARG002 - events name their targets
        """One line an event."""
        yield lambda event: self.progress(str(event))

    def confirms(self, question: str) -> bool:
        """Programs may have a terminal too."""
        return ask(question)
