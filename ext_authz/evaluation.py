"""Does a condition hold? Pure; conditions become closures once, when a policy is first obeyed.

Three values (Kleene): what the caller lacks, what is ambiguous or no number makes a comparison unknown, and so does its
contrary. A rule that allows needs True; one that denies strikes unless it is False. What a client left out of its
request is no riddle: it equals nothing.
"""

import copy
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from ext_authz import condition as language
from ext_authz.condition import Condition, Fact

Truth = bool | None
"""None: unknown."""
MAX_PARAMETERS = 100
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,14}")
_QUERY = re.compile(r"(?:[!$&-:<-~]|%[0-9a-fA-F]{2})*")
"""Visible ASCII with whole escapes; no ``;`` (separates parameters for some readers), no quotes or ``#``."""


class Unclear(NamedTuple):
    """Stands for a value that is there and can be read in more than one way."""


class LeftOut(NamedTuple):
    """Stands for a parameter or header that the client did not send: unlike every text, neither less nor more."""


UNCLEAR, LEFT_OUT = Unclear(), LeftOut()
_Value = str | Unclear | LeftOut | None


class Facts:
    """What rules look at. The query is read when the first condition asks for it."""

    def __init__(
        self,
        *,
        method: str,
        target: str,
        headers: Mapping[str, str],
        user: str,
        roles: tuple[str, ...],
        plan: str | None,
        attributes: Mapping[str, str],
        variables: Mapping[str, str] | None,
    ) -> None:
        """``target`` is the path with its query; ``variables`` those of the path, None when they cannot be read."""
        self.method, self.roles = method, roles
        self.path, _, self._query = target.partition("?")
        self._headers, self.variables = headers, variables
        self._user, self._plan, self._attributes = user, plan, attributes
        self._parameters: Mapping[str, str | Unclear] | Unclear | None = None

    def with_variables(self, variables: Mapping[str, str] | None) -> "Facts":
        """The same with other path variables."""
        other = copy.copy(self)
        other.variables = variables
        return other

    def value(self, source: language.Source, name: str) -> _Value:
        """A fact; None when the caller lacks it. A user's empty attribute is a missing one."""
        if source == "path":
            return UNCLEAR if self.variables is None else self.variables.get(name)
        if source == "attribute":
            return self._attributes.get(name) or None
        if source == "user":
            return (self._user if name == "id" else self._plan) or None
        if source == "header":
            return self._header(name)
        if source == "query":
            return self._parameter(name)
        return self.method

    def _header(self, name: str) -> _Value:
        """Envoy merges repeated headers by commas and writes ``!`` for a byte that is no text: both are unclear."""
        value = self._headers.get(name)
        if value is None:
            return LEFT_OUT
        return UNCLEAR if "," in value or "!" in value or not value.isprintable() else value

    def _parameter(self, name: str) -> _Value:
        if self._parameters is None:
            read = parameters(self._query)
            self._parameters = UNCLEAR if read is None else read
        return self._parameters if isinstance(self._parameters, Unclear) else self._parameters.get(name, LEFT_OUT)


def parameters(query: str) -> Mapping[str, str | Unclear] | None:
    """The parameters of a query string, percent-decoded once; None when the whole can be read in more than one way.

    Unclear is a parameter that stands there twice, and one whose value has a ``+`` (a space to some), a control
    character, or bytes that are no UTF-8.
    """
    if _QUERY.fullmatch(query) is None:
        return None
    pieces = [piece for piece in query.split("&") if piece]
    if len(pieces) > MAX_PARAMETERS:
        return None
    found: dict[str, str | Unclear] = {}
    for piece in pieces:
        raw, _, text = piece.partition("=")
        name, value = _decoded(raw), _decoded(text)
        if isinstance(name, Unclear):
            return None
        found[name] = UNCLEAR if name in found else value
    return found


def _decoded(text: str) -> str | Unclear:
    if "+" in text:
        return UNCLEAR
    try:
        value = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return UNCLEAR
    return value if value.isprintable() else UNCLEAR


_Holds = Callable[[Facts], Truth]
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PARTS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
}


def compiled(condition: Condition) -> _Holds:  # noqa: PLR0911 - one return for each kind of condition
    """A function that says whether the condition holds."""
    match condition:
        case language.All():
            return _joined([compiled(one) for one in condition.conditions], settles=False)
        case language.Any():
            return _joined([compiled(one) for one in condition.conditions], settles=True)
        case language.Not():
            return _not(compiled(condition.condition))
        case language.HasRole():
            wanted = frozenset(condition.roles)
            return lambda facts: not wanted.isdisjoint(facts.roles)
        case language.Has():
            return _has(condition.fact)
        case language.OneOf():
            return _one_of(condition.fact, frozenset(condition.values))
        case language.Part():
            return _part(_PARTS[condition.function], _operand(condition.fact), _operand(condition.part))
        case language.Compare():
            return _compare(_ORDERINGS[condition.operator], _operand(condition.left), _operand(condition.right))


_Operand = Callable[[Facts], str | int | LeftOut | None]
"""None: unknown."""


def _operand(operand: language.Operand) -> _Operand:
    if isinstance(operand, language.Text | language.Number):
        constant = operand.value
        return lambda _: constant
    if isinstance(operand, language.NumberOf):
        text = _text(operand.fact)

        def number(facts: Facts) -> int | LeftOut | None:
            value = text(facts)
            if not isinstance(value, str):
                return value
            return int(value) if _NUMBER.fullmatch(value) is not None else None

        return number
    return _text(operand)


def _text(fact: Fact) -> Callable[[Facts], str | LeftOut | None]:
    source, name = fact.source, fact.name

    def text(facts: Facts) -> str | LeftOut | None:
        value = facts.value(source, name)
        return None if isinstance(value, Unclear) else value

    return text


def _compare(ordering: Callable[[Any, Any], bool], left: _Operand, right: _Operand) -> _Holds:
    def holds(facts: Facts) -> Truth:
        one, two = left(facts), right(facts)
        if type(one) is type(two):
            return None if one is None or one is LEFT_OUT else ordering(one, two)
        if one is None or two is None or not (one is LEFT_OUT or two is LEFT_OUT):
            return None
        return ordering is operator.ne

    return holds


def _one_of(fact: Fact, values: frozenset[str]) -> _Holds:
    text = _text(fact)

    def holds(facts: Facts) -> Truth:
        value = text(facts)
        return None if value is None else value in values

    return holds


def _part(function: Callable[[str, str], bool], whole: _Operand, part: _Operand) -> _Holds:
    def holds(facts: Facts) -> Truth:
        one, two = whole(facts), part(facts)
        if one is LEFT_OUT and isinstance(two, str) and two:
            return False
        # every text begins with the empty one: who could leave the part empty would always be right
        return function(one, two) if isinstance(one, str) and isinstance(two, str) and two else None

    return holds


def _has(fact: Fact) -> _Holds:
    source, name = fact.source, fact.name

    def holds(facts: Facts) -> Truth:
        value = facts.value(source, name)
        return None if isinstance(value, Unclear) else isinstance(value, str)

    return holds


def _not(one: _Holds) -> _Holds:
    def holds(facts: Facts) -> Truth:
        value = one(facts)
        return None if value is None else not value

    return holds


def _joined(conditions: list[_Holds], *, settles: bool) -> _Holds:
    """One condition that is ``settles`` decides for all of them: True joins by ``or``, False by ``and``."""

    def holds(facts: Facts) -> Truth:
        result: Truth = not settles
        for one in conditions:
            value = one(facts)
            if value is settles:
                return settles
            if value is None:
                result = None
        return result

    return holds
