"""Text → Python's syntax tree, which is as far as Python has a say. Nothing is evaluated."""

import ast
import re
import warnings
from typing import NamedTuple

from gatectl.fields import WHERE_LENGTH
from gatectl.spec.conditions.mistakes import ConditionError, Mistake

_OTHER_WORDS = {"&&": "and", "||": "or", "===": "==", "!": "not"}
"""What other languages call it."""
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")


class Place(NamedTuple):
    """Where a word begins, in bytes from 0, as the parser counts."""

    col_offset: int


class Source:
    """An expression and its tree; knows what stands where. Raises ConditionError when there is no tree."""

    def __init__(self, text: str) -> None:
        _refuse_unreadable(text)
        line = text.replace("\n", " ").strip()
        self._blank, self._line = len(text) - len(text.lstrip()), line.encode()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.tree = ast.parse(line, mode="eval").body
        except SyntaxError as error:
            raise ConditionError(_syntax(text, self._blank + (error.offset or 1) - 1)) from None
        except (ValueError, RecursionError, MemoryError):
            raise ConditionError(Mistake(0, "the condition cannot be read: it is nested too deeply")) from None

    def text(self, node: ast.expr) -> str:
        """What stands there."""
        return self._line[node.col_offset : node.end_col_offset].decode()

    def last_word(self, node: ast.Attribute) -> Place:
        """The place of ``b`` in ``a.b``."""
        return Place((node.end_col_offset or 0) - len(node.attr.encode()))

    def error(
        self, at: ast.expr | Place, message: str, hint: str | None = None, code: str = "GC0111"
    ) -> ConditionError:
        """The mistake at a place."""
        before = self._line[: at.col_offset].decode()
        return ConditionError(Mistake(self._blank + len(before), message, hint, code))


def _refuse_unreadable(text: str) -> None:
    if len(text) > WHERE_LENGTH:
        raise ConditionError(Mistake(0, f"the condition is longer than {WHERE_LENGTH} characters"))
    for position, character in enumerate(text):
        if character in "\\#" or not (character.isprintable() or character == "\n"):
            what = f'"{character}"' if character in "\\#" else "a control character"
            raise ConditionError(Mistake(position, f"{what} is no part of a condition"))


def _syntax(text: str, offset: int) -> Mistake:
    """Why it is no expression; ``offset`` is where Python gave up."""
    bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)
    for wrong, right in _OTHER_WORDS.items():
        at = re.search(re.escape(wrong) + "(?!=)", bare)
        if at is not None:
            return Mistake(at.start(), f"{wrong} is no part of a condition", f"write {right}")
    single = re.search(r"(?<![=!<>:])=(?!=)", bare)
    if single is not None:
        return Mistake(single.start(), "= compares nothing", "write ==")
    offset = max(0, min(offset, len(text.rstrip()) - 1))
    word = re.match(r"\w+|\S", text[offset:])
    return Mistake(offset, "the condition cannot be read here" + (f', at "{word[0]}"' if word is not None else ""))
