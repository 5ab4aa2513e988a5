"""What ``gatectl up`` adds on one machine."""

from typing import Annotated

from pydantic import Field, StringConstraints

from gatectl.fields import AttributeName, Method, Name, Omittable, Path, Text
from gatectl.spec.model.section import Section


class Process(Section):
    """A program that ``gatectl up`` starts beside the gateway, in the directory of the spec."""

    name: Name
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    ready: Omittable[Annotated[Text, StringConstraints(pattern=r"^http://")]] = None
    """URL that answers 200 once it is ready."""


class DevelopmentKey(Section):
    """An API key that ``gatectl up`` makes and shows."""

    user: Name
    roles: tuple[Name, ...] = ()
    plan: Omittable[Name] = None
    attributes: dict[AttributeName, Text] = {}


class Try(Section):
    """A request to try: ``gatectl up`` shows it as a curl line. ``repeat`` sends it so many times."""

    title: Text
    path: Path
    key: Omittable[Name] = None
    """The ``user`` of a development key."""
    method: Method = "GET"
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    expect: Annotated[int, Field(ge=100, le=599)]


class Development(Section):
    """For ``gatectl up`` on one machine only: nothing of it reaches Envoy or the services."""

    processes: tuple[Process, ...] = ()
    keys: tuple[DevelopmentKey, ...] = ()
    requests: tuple[Try, ...] = ()
