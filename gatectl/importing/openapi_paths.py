"""A path of OpenAPI → a match of the language."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from gatectl.importing.names import variable

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~-]+")
LONGEST = 2000
_SAFE = "/~!$&'()*+,=:@"


@dataclass(frozen=True)
class Path:
    """``shape`` is equal for paths that take the same requests; ``told`` are sentences about what had to change."""

    match: dict[str, str]
    shape: tuple[str | None, ...]
    told: tuple[str, ...]

    @property
    def order(self) -> tuple[bool, ...]:
        """Sorted by this, a path comes before those that would take its requests."""
        return tuple(segment is None for segment in self.shape)


class UnroutableError(Exception):
    """No request has such a path. The message is the end of a sentence."""


def converted(text: str) -> Path:
    """The match for a path. Raises UnroutableError."""
    if not text.startswith("/"):
        raise UnroutableError("does not begin with /")
    if len(text) > LONGEST:
        raise UnroutableError("is too long")
    bare = _VARIABLE.sub("x", text)
    segments = text.split("/")[1:]
    if any(part in {".", ".."} for part in bare.split("/")) or "" in segments[:-1]:
        raise UnroutableError("has an empty or dot segment: requests never have one by the time they are routed")
    if "{" not in text and "}" not in text:
        path = _encoded(text)
        return Path({"path": path}, tuple(path.split("/")[1:]), _changes(text, path))
    told: list[str] = []
    if segments[-1] == "":
        segments.pop()
        told.append("the / at its end is left out: a template has none")
    taken: set[str] = set()
    parts = [_segment(segment, taken, number, told) for number, segment in enumerate(segments, 1)]
    template = "".join(f"/{part}" for part in parts)
    return Path({"path_template": template}, tuple(None if part[0] == "{" else part for part in parts), tuple(told))


def _segment(segment: str, taken: set[str], number: int, told: list[str]) -> str:
    whole = _VARIABLE.fullmatch(segment)
    if whole is None and _LITERAL.fullmatch(segment):
        return segment
    name = variable(whole[1] if whole else "".join(_VARIABLE.findall(segment)) or segment, taken, number)
    taken.add(name)
    if whole is None:
        told.append(f'"{segment}" is taken as a whole segment with any value: a variable is one whole segment')
    elif name != whole[1]:
        told.append(f'the variable "{whole[1]}" is called {name}')
    return f"{{{name}}}"


def _encoded(text: str) -> str:
    """As the path comes in a request. A % that begins no code is itself one."""
    parts = re.split("(%(?!2[fF]|5[cC])[0-9A-Fa-f]{2})", text)
    encoded = "".join(
        part if index % 2 else quote(part, safe=_SAFE, errors="replace") for index, part in enumerate(parts)
    )
    if re.search("%2[fF]|%5[cC]", encoded):
        raise UnroutableError("has an encoded slash, which is refused in requests")
    if any(part in {".", ".."} for part in re.sub("%2[eE]", ".", encoded).split("/")):
        raise UnroutableError("has a dot segment: requests never have one by the time they are routed")
    return encoded


def _changes(text: str, path: str) -> tuple[str, ...]:
    return (f"it is written {path}, as it comes in requests",) if path != text else ()
