"""What every part of the language is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in the spec: immutable, no unknown fields, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def kind(value: Any) -> str:
    """Which of an object, a list and a text a value is: tells apart fields that take more than one."""
    return "object" if isinstance(value, (dict, BaseModel)) else "list" if isinstance(value, (tuple, list)) else "text"
