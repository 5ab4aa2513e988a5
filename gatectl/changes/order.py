"""Which of some ordered things changed their turn."""

import bisect
from collections.abc import Sequence


def moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """The fewest names whose move makes one order of the same names into the other; of any two that swapped, one."""
    place = {name: index for index, name in enumerate(before)}
    kept = _longest_increasing([place[name] for name in after])
    return {name for name in after if place[name] not in kept}


def _longest_increasing(numbers: list[int]) -> set[int]:
    """The members of one longest increasing subsequence: what need not be called moved."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        at = bisect.bisect_left(tails, number)
        before[number] = tails[at - 1] if at else None
        tails[at : at + 1] = [number]
    kept: set[int] = set()
    last = tails[-1] if tails else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return kept
