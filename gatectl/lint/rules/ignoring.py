"""The ignore list itself: `report` tells what of it is left over, for only it knows what was found."""

from collections.abc import Iterator

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Subject


def _nothing(_subject: Subject) -> Iterator[Found]:
    return iter(())


UNUSED_IGNORE = Rule(
    "GL080",
    "unused-ignore",
    "info",
    "hygiene",
    0,
    "the ignore list names what is not there any more",
    "A reason that is out of date hides the next finding of the same kind.",
    "Remove the entry, or correct its object.",
    _nothing,
)
RULES: tuple[Rule, ...] = (UNUSED_IGNORE,)
