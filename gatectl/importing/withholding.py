"""Where limits made of rules of envoyproxy/ratelimit do not hold: by ``exempt``, by ``instead_of``, or nowhere at all.

A rule for a key alone does not hold for the values that have a descriptor of their own, and none holds where one that
``replaces`` it does. What the language cannot say of that is told, and the limit holds there too: never the other way.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from gatectl.importing.result import frozen
from gatectl.spec.check_limits import malformed
from gatectl.spec.model import RateLimit
from ratelimit_svc.compat.config import Rule
from ratelimit_svc.compat.yaml_tree import Place

EVERYBODYS = {"client_address", "route", "upstream", "gateway"}
"""Dimensions that every request has a value in."""


class Tell(Protocol):
    """Takes what has to be said, and where; ``decided``: something is another thing now."""

    def __call__(self, message: str, place: Place | None, *, decided: bool = False) -> None:
        """Keep it."""


@dataclass
class Callers:
    """The requests that find a rule: ``only`` these values, any of the dimensions ``counted`` but those ``spared``.

    ``patterned``: values that match some pattern do not find it either.
    """

    only: dict[str, str] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    spared: dict[str, list[str]] = field(default_factory=dict)
    patterned: bool = False


@dataclass
class Carried:
    """A rule, whom it is about, and the limit it became; None for one that is unlimited."""

    rule: Rule
    place: Place | None
    about: Callers
    limit: dict[str, Any] | None


def withheld(rules: Sequence[Carried], tell: Tell) -> list[dict[str, Any]]:
    """The limits of ``rules``, each where its rule held as far as that can be said; the rest goes to ``tell``."""
    limits = [one.limit for one in rules if one.limit is not None]
    for one in rules:
        for dimension, value in _pairs(one.about.spared) if one.limit is not None else ():
            if not _withhold(one.limit, {dimension: value}, limits):
                message = f"the rule {one.rule.path} did not hold for {dimension} {value}, the limit does"
                tell(message, one.place, decided=True)
    nowhere = set[str]()
    for one in sorted(rules, key=lambda rule: bool(rule.about.spared)):  # what they spare may be exempt by then
        for name in one.rule.replaces:
            others = [other for other in rules if other.rule.name == name]
            if not others:
                tell(f'no rule has the name "{name}", which {one.rule.path} replaces', one.place)
            for other in others:
                if other.limit is not None and (reason := _replace(one, other, limits, nowhere)):
                    message = f'{one.rule.path} replaced "{name}", and now both limits hold: {reason}'
                    tell(message, one.place)
    for one in rules:
        if one.limit is not None and one.limit["name"] in nowhere:
            message = f"the rule {one.rule.path} is left out: wherever it could hold it was replaced"
            tell(message, one.place, decided=True)
    return [_without(nowhere, limit) for limit in limits if limit["name"] not in nowhere]


def problem(limit: Mapping[str, Any]) -> str | None:
    """Why a limit is none of the language, None when it is."""
    try:
        made = RateLimit.model_validate(frozen(dict(limit)))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    for trait, value in _pairs({**made.when, **made.exempt}):
        if (needed := malformed(trait, value)) is not None:
            return f'"{value}" is not {needed}'
    return None


def _replace(one: Carried, other: Carried, limits: Sequence[dict[str, Any]], nowhere: set[str]) -> str | None:
    """Withhold the limit of ``other`` where ``one`` holds. Why that cannot be said, None when it is done."""
    assert other.limit is not None
    if _apart(one.about, other):
        return None
    if one.about.patterned:
        return "patterns took some values from the one that replaces"
    for dimension, value in _pairs(one.about.spared):
        if dimension not in other.about.only and value not in other.limit.get("exempt", {}).get(dimension, ()):
            return f"not for {dimension} {value}, which had a descriptor of its own"
    lacking = set(one.about.counted) - EVERYBODYS - {*other.about.only, *other.about.counted}
    if lacking:
        return f"only for callers who have {' and '.join(sorted(lacking))}"
    where = {key: value for key, value in one.about.only.items() if other.about.only.get(key) != value}
    if where:
        done = _withhold(other.limit, where, [limit for limit in limits if limit["name"] not in nowhere])
        reason = f"only for {' and '.join(f'{key} {value}' for key, value in where.items())}"
    else:
        done, reason = "instead_of" not in other.limit, "it stands in for others on its route"
        nowhere |= {other.limit["name"]} if done else set()
    return None if done else reason


def _apart(one: Callers, other: Carried) -> bool:
    """Whether no request is of ``one`` and held to the limit of ``other``."""
    assert other.limit is not None
    exempt, only = other.limit.get("exempt", {}), other.about.only
    return (
        any(value in exempt.get(dimension, ()) for dimension, value in one.only.items())
        or any(value in one.spared.get(dimension, ()) for dimension, value in only.items())
        or any(
            only.get(dimension, value) != value
            for dimension, value in one.only.items()
            if dimension != "client_address"  # networks overlap
        )
    )


def _withhold(limit: dict[str, Any] | None, where: Mapping[str, str], limits: Sequence[dict[str, Any]]) -> bool:
    """Make a limit hold no more ``where`` the dimensions have these values, if the language can say that."""
    if limit is None or len(where) != 1:
        return False
    [(dimension, value)] = where.items()
    if dimension != "route":
        exempt = {**limit.get("exempt", {})}
        exempt[dimension] = [*exempt.get(dimension, ()), value]
        if problem({**limit, "exempt": exempt}) is not None:
            return False
        limit["exempt"] = exempt
        return True
    for one in limits:  # what holds there for everybody may stand in for it; it has no route itself
        if one.get("routes") == [value] and "when" not in one and one.get("enforce", True):
            one["instead_of"] = list(dict.fromkeys((*one.get("instead_of", ()), limit["name"])))
            return True
    return False


def _without(names: Set[str], limit: dict[str, Any]) -> dict[str, Any]:
    """A limit that stands in for none of ``names``."""
    left = [name for name in limit.get("instead_of", ()) if name not in names]
    return {key: value for key, value in limit.items() if key != "instead_of"} | ({"instead_of": left} if left else {})


def _pairs(values: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    return [(key, value) for key, several in values.items() for value in several]
