"""What a rule's ``where`` says, as data: part of the contract. Pure; :mod:`ext_authz.evaluation` says whether it holds.

The compiler builds these from the expression in the spec and has checked their types: a number is only ever compared
with a number.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Ordering = Literal["==", "!=", "<", "<=", ">", ">="]
Source = Literal["path", "query", "header", "user", "attribute", "request"]
"""Where a fact comes from. ``user``: id or plan; ``request``: method."""


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Node):
    """A text that the request or its caller has, or has not. Headers are named in lower case."""

    kind: Literal["fact"] = "fact"
    source: Source
    name: str


class Text(_Node):
    """A constant."""

    kind: Literal["text"] = "text"
    value: str


class Number(_Node):
    """A whole constant of at most 15 digits."""

    kind: Literal["number"] = "number"
    value: int = Field(gt=-(10**15), lt=10**15)


class NumberOf(_Node):
    """A fact read as a whole number of at most 15 digits."""

    kind: Literal["number_of"] = "number_of"
    fact: Fact


Operand = Annotated[Fact | Text | Number | NumberOf, Field(discriminator="kind")]


class Compare(_Node):
    """Both sides are texts (``==`` and ``!=`` only) or both are numbers."""

    kind: Literal["compare"] = "compare"
    operator: Ordering
    left: Operand
    right: Operand


class OneOf(_Node):
    """A fact is one of several texts."""

    kind: Literal["one_of"] = "one_of"
    fact: Fact
    values: tuple[str, ...] = Field(min_length=1)


class HasRole(_Node):
    """The caller has one of these roles: the one that is asked for, and those that inherit it."""

    kind: Literal["has_role"] = "has_role"
    roles: tuple[str, ...] = Field(min_length=1)


class Has(_Node):
    """A fact is there."""

    kind: Literal["has"] = "has"
    fact: Fact


class Part(_Node):
    """A fact begins with, ends with or contains a text."""

    kind: Literal["part"] = "part"
    function: Literal["startswith", "endswith", "contains"]
    fact: Fact
    part: Annotated[Fact | Text, Field(discriminator="kind")]


class Not(_Node):
    """The contrary; of what is unknown, unknown."""

    kind: Literal["not"] = "not"
    condition: "Condition"


class All(_Node):
    """``and``."""

    kind: Literal["all"] = "all"
    conditions: tuple["Condition", ...] = Field(min_length=2)


class Any(_Node):
    """``or``."""

    kind: Literal["any"] = "any"
    conditions: tuple["Condition", ...] = Field(min_length=2)


Condition: TypeAlias = Annotated[Compare | OneOf | HasRole | Has | Part | Not | All | Any, Field(discriminator="kind")]
for _model in (Not, All, Any):
    _model.model_rebuild()


def conjuncts(condition: Condition | None) -> frozenset[Condition]:
    """The conditions that must all hold; none for no condition."""
    if condition is None:
        return frozenset()
    return frozenset(condition.conditions) if isinstance(condition, All) else frozenset({condition})


def facts(condition: Condition | None) -> Iterator[Fact]:
    """Every fact that a condition looks at, in the order of its words."""
    match condition:
        case All() | Any():
            for one in condition.conditions:
                yield from facts(one)
        case Not():
            yield from facts(condition.condition)
        case Compare():
            for side in (condition.left, condition.right):
                if isinstance(side, Fact):
                    yield side
                elif isinstance(side, NumberOf):
                    yield side.fact
        case Part():
            yield condition.fact
            if isinstance(condition.part, Fact):
                yield condition.part
        case OneOf() | Has():
            yield condition.fact


def roles(condition: Condition | None) -> Iterator[str]:
    """Every role that a condition names."""
    match condition:
        case All() | Any():
            for one in condition.conditions:
                yield from roles(one)
        case Not():
            yield from roles(condition.condition)
        case HasRole():
            yield from condition.roles
