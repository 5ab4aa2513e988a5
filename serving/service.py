"""What makes a service: the one value that the process side needs to run it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import grpc.aio

from serving.endpoint import Page
from serving.policies import PolicyBook
from serving.settings import SERVING, STATE_DIR, Setting, Values


class Document(Protocol):
    """A policy document as far as this package cares: it names its revision."""

    @property
    def revision(self) -> str:
        """The revision of the gateway that the document belongs to."""


PolicyT = TypeVar("PolicyT", bound=Document)

Register = Callable[[grpc.aio.Server], None]
"""Adds the service's handlers to a server that has not started yet."""


@dataclass(frozen=True)
class Service(Generic[PolicyT]):
    """A service as this package runs it.

    ``name`` is the Python package (``python -m name`` starts it), ``grpc_service`` the full protobuf name that gRPC
    health reports, ``policy_file`` the document's name inside a generation. ``worker`` opens whatever one worker
    process needs (Redis, background tasks), yields how to register the handlers, and closes it all on the way out.
    ``pages`` are served by the parent process over HTTP, beside those that every service has.

    A service whose policies are not generations names their ``directory`` and opens the ``book`` itself, instead of
    ``policy_file`` and ``load_policy``. ``mistakes`` are sentences that keep it from starting; none: it may.
    """

    name: str
    grpc_service: str
    worker: Callable[[Values, "PolicyBook[PolicyT]"], AbstractAsyncContextManager[Register]]
    policy_file: str = ""
    load_policy: Callable[[bytes], PolicyT] | None = None
    settings: tuple[Setting[Any], ...] = ()
    pages: Callable[[Values], Mapping[str, Page]] = lambda _: {}
    directory: Setting[Path] = STATE_DIR
    book: Callable[[Values], PolicyBook[PolicyT]] | None = None
    mistakes: Callable[[Values], Sequence[str]] = lambda _: ()

    @property
    def all_settings(self) -> tuple[Setting[Any], ...]:
        """Those of every service and its own."""
        return (*(self.directory if one is STATE_DIR else one for one in SERVING), *self.settings)

    def open_book(self, values: Values) -> PolicyBook[PolicyT]:
        """The policies, not read yet."""
        if self.book is not None:
            return self.book(values)
        assert self.load_policy is not None
        return PolicyBook(values[self.directory.key], self.policy_file, self.load_policy)
