"""What is wrong with an expression, and where."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One of them. ``offset`` counts characters of the expression from 0."""

    offset: int
    message: str
    hint: str | None = None
    code: str = "GC0111"


class ConditionError(ValueError):
    """An expression is wrong: all its mistakes."""

    def __init__(self, *mistakes: Mistake) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(mistake.message for mistake in mistakes))
