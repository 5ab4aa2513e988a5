"""What an expression can look at: ``path.<variable>``, ``query.<parameter>``, ``header["<name>"]``,
``user.<attribute>`` and ``request.method``. Every one may also be written with brackets: ``query["page-size"]``.
"""

import ast
import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ext_authz.condition import Fact
from ext_authz.condition import Source as Origin
from ext_authz.policy import IDENTITY_HEADER_PREFIX
from gatectl.spec.conditions.mistakes import ConditionError
from gatectl.spec.conditions.syntax import Place, Source

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_CREDENTIALS = {"authorization", "cookie", "proxy-authorization"}
_NOT_THE_CLIENTS = (IDENTITY_HEADER_PREFIX, "x-envoy-", "x-forwarded-")
_MEANINGLESS = {"x-request-id", "host", "content-length"}
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,128}")
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PROVEN = "what they prove is in user.id and the like"
_ALL = 'path.<variable>, query.<parameter>, header["<name>"], user.<attribute> or request.method'


@dataclass(frozen=True)
class Scope:
    """What an expression may name. None: anything."""

    variables: Collection[str] | None = None
    """Of the path."""
    roles: Mapping[str, tuple[str, ...]] | None = None
    """Each role with those who have it: itself first, then all that inherit it."""
    key_header: str | None = None
    """The header of API keys, in lower case."""
    key_parameter: str | None = None
    """The query parameter of API keys."""


ANYTHING = Scope()


def unknown(source: Source, at: ast.expr | Place, kind: str, name: str, names: Collection[str]) -> ConditionError:
    """The mistake of a name that refers to nothing."""
    near = difflib.get_close_matches(name, names, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names) or 'none'}"
    return source.error(at, f'unknown {kind} "{name}"', hint, "GC0103")


class Facts:
    """Reads facts. Raises ConditionError."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self._source, self._scope = source, scope
        self._roots: dict[str, Callable[[str, ast.expr | Place], Fact]] = {
            "path": self._path,
            "query": self._query,
            "header": self._header,
            "user": self._user,
            "request": self._request,
        }

    def fact(self, node: ast.expr) -> Fact:
        """The fact that a word names."""
        source = self._source
        shown = short(source.text(node))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name, at = node.attr, source.last_word(node)
            if not source.text(node).endswith(name):  # Python takes full-width letters for plain ones
                raise source.error(node, f'"{shown}" is not written in plain letters')
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            name, at = quoted(source, node.slice), Place(node.slice.col_offset)
        elif isinstance(node, ast.Name | ast.Attribute):
            raise source.error(node, f'"{shown}" is unknown', f"there are {_ALL}; a text stands in quotes")
        elif isinstance(node, ast.Constant | ast.List | ast.Tuple):
            raise source.error(node, f'"{shown}" is a constant', f"here stands {_ALL}")
        else:
            raise foreign(source, node)
        root = source.text(node.value)
        if root not in self._roots:
            raise unknown(source, node.value, "word", root, self._roots)
        return self._roots[root](name, at)

    def _path(self, name: str, at: ast.expr | Place) -> Fact:
        if self._scope.variables is not None and name not in self._scope.variables:
            raise unknown(self._source, at, "path variable", name, self._scope.variables)
        return Fact(source="path", name=name)

    def _query(self, name: str, at: ast.expr | Place) -> Fact:
        if not 0 < len(name) <= 128:
            raise self._source.error(at, "the name of a parameter has 1 to 128 characters")
        if name == self._scope.key_parameter:
            raise self._source.error(at, f"{name} carries credentials", _PROVEN)
        return Fact(source="query", name=name)

    def _header(self, written: str, at: ast.expr | Place) -> Fact:
        name = written.lower()
        if _HEADER.fullmatch(name) is None:
            raise self._source.error(at, f'"{written}" is no name of a header that gets through')
        if name in _HOP_BY_HOP:
            raise self._source.error(at, f"{name} is for the next hop, not for conditions")
        if name in _CREDENTIALS or name == self._scope.key_header:
            raise self._source.error(at, f"{name} carries credentials", _PROVEN)
        if name.startswith(_NOT_THE_CLIENTS) or name in _MEANINGLESS:
            raise self._source.error(at, f"{name} is written by the gateway, or says nothing that can be believed")
        return Fact(source="header", name=name)

    def _user(self, name: str, at: ast.expr | Place) -> Fact:
        if name == "roles":
            raise self._source.error(at, "user.roles is a list", 'ask for one: "admin" in user.roles')
        if _ATTRIBUTE.fullmatch(name) is None:
            raise self._source.error(at, f'"{name}" is no name of an attribute')
        origin: Origin = "user" if name in {"id", "plan"} else "attribute"
        return Fact(source=origin, name=name)

    def _request(self, name: str, at: ast.expr | Place) -> Fact:
        if name != "method":
            raise unknown(self._source, at, "property of a request", name, ("method",))
        return Fact(source="request", name=name)


def quoted(source: Source, node: ast.expr) -> str:
    """A text in one pair of quotes. Raises ConditionError."""
    text = source.text(node)
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise source.error(node, f'"{short(text)}" is no text', "put a text in quotes")
    if len(text) < 2 or text[1:-1] != node.value or text[0] != text[-1] or text[0] not in "\"'":
        raise source.error(node, "a text stands in one pair of quotes")
    return node.value


def foreign(source: Source, node: ast.expr) -> ConditionError:
    """The mistake of something that Python knows and the language does not."""
    dash = isinstance(node, ast.BinOp | ast.UnaryOp)
    hint = 'a name with a dash stands in brackets: header["x-tenant"]' if dash else None
    return source.error(node, f'"{short(source.text(node))}" is no part of a condition', hint)


def short(text: str) -> str:
    """What a message quotes of an expression."""
    return text if len(text) <= 40 else f"{text[:39]}…"
