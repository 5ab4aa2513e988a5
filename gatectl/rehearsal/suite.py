"""tests.yaml: who calls, what they ask for, and what should come of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag
from pydantic_core import PydanticCustomError

from gatectl.diagnostics import GatectlError
from gatectl.fields import Address, HeaderValue, Method, Name, Omittable, Size, Text
from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.request import DEFAULT_ADDRESS, DEFAULT_HOST, Request, method_and_path
from gatectl.spec.load import document
from gatectl.spec.model import Section
from gatectl.spec.sources import STDIN
from gatectl.spec.tree import Node

DEFAULT_SPEC = "gateway.yaml"
HeaderText = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$")]
"""Any name that can be sent, so that a refused one can be tested."""


def _request(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        method, path = method_and_path(value.split(" "))
    except GatectlError as error:
        raise PydanticCustomError("malformed", "{why}", {"why": str(error)}) from None
    return {"method": method, "path": path}


class Asked(Section):
    """A request. In short: ``GET /path``."""

    method: Method = "GET"
    path: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,8192}$")]
    headers: dict[HeaderText, HeaderValue] = Field(default_factory=dict)
    host: Annotated[Text, StringConstraints(pattern=r"^[!-~]+$")] = DEFAULT_HOST
    address: Address = DEFAULT_ADDRESS
    body_size: Omittable[Annotated[Size, Field(le=64 << 20)]] = None

    def request(self) -> Request:
        """The request as it is sent."""
        headers = tuple(self.headers.items())
        return Request(self.method, self.path, headers, self.host, self.address, self.body_size or 0)


class Expectation(Section):
    """What should come of a request: whatever is named must be so, and nothing else matters."""

    decision: Omittable[Literal["allow", "deny"]] = None
    status: Omittable[Annotated[int, Field(ge=100, le=599)]] = None
    reason: Omittable[Text] = None
    shadow: Omittable[Literal["allow", "deny"]] = None
    """How it would have ended with the rules that are not enforced."""
    route: Omittable[Name] = None
    limits: Omittable[tuple[Name, ...]] = None
    """Limits that count the request; others may, too."""
    refused_by: Omittable[Name] = None
    """The limit that refuses it."""
    upstream: Omittable[Name] = None
    path: Omittable[Text] = None
    """As the upstream gets it."""
    sent: dict[HeaderText, HeaderValue | None] = Field(default_factory=dict)
    """Headers that the upstream gets; null for one that it must not get."""
    headers: dict[HeaderText, HeaderValue | None] = Field(default_factory=dict)
    """Headers of the answer; null for one that it must not have."""


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else "number" if isinstance(value, int) else "object"


Expected = Annotated[
    Annotated[Literal["allow", "deny"], Tag("text")]
    | Annotated[int, Field(ge=100, le=599), Tag("number")]
    | Annotated[Expectation, Tag("object")],
    Discriminator(_kind),
]


class Test(Section):
    """One request and what is expected of it; of the last one, if it is repeated."""

    name: Omittable[Text] = None
    request: Annotated[Asked, BeforeValidator(_request)]
    caller: Omittable[Text] = Field(default=None, alias="as")
    repeat: Annotated[int, Field(ge=1, le=10_000)] = 1
    expect: Expected

    @property
    def title(self) -> str:
        """Its name, or what it asks and as whom."""
        return self.name or f"{self.request.method} {self.request.path} as {self.caller or 'nobody'}"

    @property
    def expectation(self) -> Expectation:
        """What is expected, written out."""
        if isinstance(self.expect, str):
            return Expectation(decision=self.expect)
        return Expectation(status=self.expect) if isinstance(self.expect, int) else self.expect


class Suite(Section):
    """A file of tests. ``spec`` is relative to it."""

    spec: Text = DEFAULT_SPEC
    callers: dict[Text, Caller] = Field(default_factory=dict)
    tests: Annotated[tuple[Test, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Script:
    """A suite, where its words stand, and the files of the spec that it is for."""

    suite: Suite
    tree: Node
    files: tuple[str, ...]


def load(file: str, files: Sequence[str], environ: Mapping[str, str] | None = None) -> Script:
    """Read a file of tests; ``files`` are the spec's instead of the one that it names.

    Raises SpecError with every mistake that shows without the spec.
    """
    suite, tree = document(file, Suite, "a file of tests", os.environ if environ is None else environ)
    beside = Path() if file == STDIN else Path(file).parent
    return Script(suite, tree, tuple(files) or (str(beside / suite.spec),))
