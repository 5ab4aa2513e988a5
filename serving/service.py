"""What makes a service, as its parent process knows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.endpoint import Page
from serving.settings import SERVING, STATE_DIR, Setting, Values

if TYPE_CHECKING:
    from serving.worker import Worker


@dataclass(frozen=True)
class Service:
    """A service as this package runs it.

    ``name`` is the Python package (``python -m name`` starts it). ``worker`` imports and returns what a worker process
    needs; the parent never calls it, and so does without gRPC, Redis, the policy's types and all else that is in there.
    ``pages`` are served by the parent process over HTTP, beside those that every service has.

    ``directory`` is where its policies are, and ``mistakes`` are sentences that keep it from starting; none: it may.
    """

    name: str
    worker: "Callable[[], Worker[Any]]"
    settings: tuple[Setting[Any], ...] = ()
    pages: Callable[[Values], Mapping[str, Page]] = lambda _: {}
    directory: Setting[Path] = STATE_DIR
    mistakes: Callable[[Values], Sequence[str]] = lambda _: ()

    @property
    def all_settings(self) -> tuple[Setting[Any], ...]:
        """Those of every service and its own."""
        return (*(self.directory if one is STATE_DIR else one for one in SERVING), *self.settings)
