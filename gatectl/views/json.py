"""For programs: one JSON document on stdout, stable field names."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gatectl.diagnostics import Diagnostic
from gatectl.views import write
from gatectl.views.aside import Aside


class JsonView(Aside):
    """Results as they are; failures as ``{"error": …}``, mistakes as ``{"diagnostics": […]}``."""

    def result(self, kind: str, data: Any) -> None:  # noqa: ARG002 - the shape speaks for itself
        """One document."""
        _print(data)

    @contextmanager
    def repeating(self, kind: str) -> Iterator[Callable[[Any], None]]:  # noqa: ARG002 - the shape speaks for itself
        """One document a line (NDJSON)."""
        yield lambda data: write(json.dumps(data, ensure_ascii=False) + "\n")

    streaming = repeating

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """All of them in one document."""
        _print({"valid": False, "diagnostics": [diagnostic.data() for diagnostic in diagnostics]})

    def failure(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        """On stdout too: a program reads one stream."""
        where = {"diagnostics": [diagnostic.data() for diagnostic in diagnostics]} if diagnostics else {}
        _print({"error": message, **where})


def _print(data: Any) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()
