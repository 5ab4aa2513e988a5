"""A syntax tree → a typed condition. What is not listed here is no part of the language."""

import ast
import re
from typing import Literal, NoReturn, get_args

from ext_authz import condition as language
from ext_authz.condition import Condition, Fact
from gatectl.spec.conditions.facts import ANYTHING, Facts, Scope, foreign, quoted, short, unknown
from gatectl.spec.conditions.mistakes import ConditionError, Mistake
from gatectl.spec.conditions.syntax import Source

MAX_DEPTH = 16
MAX_VALUES = 64
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
_OPERATORS: dict[type[ast.cmpop], language.Ordering] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_PartName = Literal["startswith", "endswith", "contains"]
_PARTS: dict[str, _PartName] = {name: name for name in get_args(_PartName)}
_ARGUMENTS = {"has": 1, "number": 1, **dict.fromkeys(_PARTS, 2)}


def parse(text: str, scope: Scope = ANYTHING) -> Condition:
    """The condition that an expression says. Raises ConditionError with every mistake."""
    source = Source(text)
    return _Reader(source, scope).condition(source.tree, 0)


class _Reader:
    """Raises ConditionError."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self._source, self._scope, self._facts = source, scope, Facts(source, scope)

    def condition(self, node: ast.expr, depth: int) -> Condition:
        """What is true, false or unknown."""
        if depth > MAX_DEPTH:
            raise self._source.error(node, "the condition is nested too deeply")
        match node:
            case ast.BoolOp():
                parts = self._each(node.values, depth + 1)
                return (
                    language.All(conditions=parts) if isinstance(node.op, ast.And) else language.Any(conditions=parts)
                )
            case ast.UnaryOp(op=ast.Not()):
                return language.Not(condition=self.condition(node.operand, depth + 1))
            case ast.Compare(ops=[operator], comparators=[right]):
                return self._compare(node, operator, right)
            case ast.Compare():
                raise self._source.error(node.comparators[1], "one comparison at a time", "join two with `and`")
            case ast.Call():
                return self._call(node)
            case ast.Constant() | ast.Name() | ast.Attribute() | ast.Subscript():
                self._alone(node, "compare it, or ask has(…)")
        raise foreign(self._source, node)

    def _each(self, nodes: list[ast.expr], depth: int) -> tuple[Condition, ...]:
        """The conditions joined by `and` or `or`: the mistakes of all of them at once."""
        read: list[Condition] = []
        mistakes: list[Mistake] = []
        for node in nodes:
            try:
                read.append(self.condition(node, depth))
            except ConditionError as error:
                mistakes += error.mistakes
        if mistakes:
            raise ConditionError(*mistakes)
        return tuple(read)

    def _compare(self, node: ast.Compare, operator: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(operator, ast.In):
            return self._member(node.left, right)
        if isinstance(operator, ast.NotIn):
            return language.Not(condition=self._member(node.left, right))
        sign = _OPERATORS.get(type(operator))
        if sign is None:
            raise self._source.error(right, "`is` compares nothing", "write ==")
        one, two = self._operand(node.left), self._operand(right)
        if isinstance(one, language.Text | language.Number) and isinstance(two, language.Text | language.Number):
            self._constants(node)
        is_number = [isinstance(side, language.Number | language.NumberOf) for side in (one, two)]
        if is_number[0] != is_number[1]:
            text = right if is_number[0] else node.left
            shown = short(self._source.text(text))
            hint = "leave the quotes out" if isinstance(text, ast.Constant) else f"write number({shown})"
            raise self._source.error(text, f"{shown} is a text and is compared with a number", hint)
        if not is_number[0] and sign not in {"==", "!="}:
            shown = short(self._source.text(node.left))
            raise self._source.error(node.left, f"{shown} is a text, and texts have no order", "write number(…)")
        return language.Compare(operator=sign, left=one, right=two)

    def _member(self, left: ast.expr, right: ast.expr) -> Condition:
        if self._source.text(right) == "user.roles":
            return self._has_role(left)
        if not isinstance(right, ast.List | ast.Tuple) or not 0 < len(right.elts) <= MAX_VALUES:
            message = f"after `in` stands a list of 1 to {MAX_VALUES} texts, or user.roles"
            raise self._source.error(right, message, 'such as in ["pro", "team"]')
        operand, values = self._operand(left), tuple(quoted(self._source, value) for value in right.elts)
        if isinstance(operand, language.Text | language.Number):
            self._constants(left)
        if isinstance(operand, language.NumberOf):
            raise self._source.error(left, "a number is in no list of texts", "compare it with == and `or`")
        return language.OneOf(fact=operand, values=values)

    def _has_role(self, node: ast.expr) -> Condition:
        role, roles = quoted(self._source, node), self._scope.roles
        if roles is not None and role not in roles:
            raise unknown(self._source, node, "role", role, roles)
        return language.HasRole(roles=(role,) if roles is None else roles[role])

    def _call(self, node: ast.Call) -> Condition:
        name = self._function(node)
        if name == "number":
            self._alone(node, "compare it with a number")
        fact = self._facts.fact(node.args[0])
        if name == "has":
            if fact.source in {"path", "request"}:
                raise self._source.error(node.args[0], f"{short(self._source.text(node.args[0]))} is always there")
            return language.Has(fact=fact)
        part = self._operand(node.args[1])
        if not isinstance(part, language.Text | Fact):
            raise self._source.error(node.args[1], f"{name} takes texts, not numbers")
        if isinstance(part, language.Text) and not part.value:
            raise self._source.error(node.args[1], "every text has an empty part")
        return language.Part(function=_PARTS[name], fact=fact, part=part)

    def _operand(self, node: ast.expr) -> language.Operand:
        if isinstance(node, ast.Call):
            name = self._function(node)
            if name != "number":
                raise self._source.error(node, f"{name}(…) is true or false: it is not compared")
            return language.NumberOf(fact=self._facts.fact(node.args[0]))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return language.Text(value=quoted(self._source, node))
        if isinstance(node, ast.Constant | ast.UnaryOp):
            text = self._source.text(node)
            if _WHOLE_NUMBER.fullmatch(text) is None:
                raise self._source.error(node, f'"{short(text)}" is no whole number of up to 15 digits')
            return language.Number(value=int(text))
        return self._facts.fact(node)

    def _function(self, node: ast.Call) -> str:
        name = self._source.text(node.func)
        if name not in _ARGUMENTS:
            raise unknown(self._source, node.func, "function", short(name), _ARGUMENTS)
        if len(node.args) != _ARGUMENTS[name] or node.keywords:
            raise self._source.error(node, f"{name} takes {_ARGUMENTS[name]} argument{'s' * (_ARGUMENTS[name] > 1)}")
        return name

    def _alone(self, node: ast.expr, hint: str) -> NoReturn:
        raise self._source.error(node, f"{short(self._source.text(node))} alone is no condition", hint)

    def _constants(self, node: ast.expr) -> NoReturn:
        hint = "compare with something of the request or the user"
        raise self._source.error(node, "two constants are compared", hint)
