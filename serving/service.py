"""What makes a service: the one value that the process side needs to run it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import grpc.aio

from serving.endpoint import Page
from serving.policies import PolicyBook
from serving.settings import Setting, Values


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
    """

    name: str
    grpc_service: str
    policy_file: str
    load_policy: Callable[[bytes], PolicyT]
    worker: Callable[[Values, "PolicyBook[PolicyT]"], AbstractAsyncContextManager[Register]]
    settings: tuple[Setting[Any], ...] = ()
    pages: Callable[[Values], Mapping[str, Page]] = lambda _: {}
