"""How safe a gateway is, out of 10: what is left when every rule about security has taken its due."""

from collections import Counter
from collections.abc import Iterable

from gatectl.lint.rule import Rule

_FULL = 100
"""In tenths of a point, so that all of it is whole numbers."""
GRADES = ((95, "A+"), (90, "A"), (80, "B"), (70, "C"), (60, "D"), (0, "F"))
"""From how many tenths on."""


def score(broken: Iterable[Rule]) -> int:
    """The score in tenths of a point, 0 to 100; ``broken`` names a rule once for each finding.

    A rule's first finding takes its ``cost``, each further one half of what the one before it took, so that a habit
    costs less than as many different mistakes, and never more than twice the cost. A further finding never raises the
    score.
    """
    counts = Counter(rule for rule in broken if rule.category == "security")
    return max(0, _FULL - sum(2 * rule.cost - (rule.cost >> (count - 1)) for rule, count in counts.items()))


def grade(tenths: int) -> str:
    """A+ to F."""
    return next(name for least, name in GRADES if tenths >= least)
