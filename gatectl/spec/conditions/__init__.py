"""The expression language of ``where``: text → a typed condition, or every mistake at the very word."""

from gatectl.spec.conditions.facts import ANYTHING, Scope
from gatectl.spec.conditions.mistakes import ConditionError, Mistake
from gatectl.spec.conditions.reader import parse

__all__ = ["ANYTHING", "ConditionError", "Mistake", "Scope", "parse"]
