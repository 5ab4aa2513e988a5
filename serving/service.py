"""What makes a service, as its parent process knows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.endpoint import Page
from serving.settings import Setting, Values

if TYPE_CHECKING:
    from serving.worker import Worker


@dataclass(frozen=True)
class Service:
    """A service as this package runs it.

    ``name`` is the Python package (``python -m name`` starts it). ``worker`` imports and returns what a worker process
    needs; the parent never calls it, and so does without gRPC, Redis, the policy's types and all else that is in there.
    ``pages`` are served by the parent process over HTTP, beside those that every service has.
    """

    name: str
    worker: "Callable[[], Worker[Any]]"
    settings: tuple[Setting[Any], ...] = ()
    pages: Callable[[Values], Mapping[str, Page]] = lambda _: {}
