"""A configuration file of envoyproxy/ratelimit → ``rate_limits``, to be laid over a spec.

A rule is what its descriptors say together: keys alone are counted by, values narrow it. Where a value has a
descriptor of its own, the rule of the key alone does not hold for it, so that one exempts it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gatectl.diagnostics import Diagnostic, GatectlError, Location, SpecError
from gatectl.fields import Rate as SpecRate
from gatectl.fields import write_rate
from gatectl.importing.names import Names, slug
from gatectl.importing.result import frozen, told
from gatectl.spec.formatting.writing import written
from gatectl.spec.model import RateLimit
from ratelimit_svc.compat import files
from ratelimit_svc.compat.config import Level, Node, Rule, label
from ratelimit_svc.compat.yaml_tree import Place
from ratelimit_svc.policy import Dimension

DIMENSIONS = {
    "client_address": ("remote_address", "masked_remote_address", "client_address", "client_ip", "ip"),
    "user": ("user", "user_id", "userid", "username", "sub", "subject"),
    "api_key": ("api_key", "apikey", "key_id"),
    "plan": ("plan", "tier"),
    "role": ("role",),
    "route": ("route", "route_name"),
    "upstream": ("upstream", "destination_cluster"),
}
"""What keys of descriptors are usually called; in small letters, dashes as underscores, without ``x-``."""
_KNOWN = {word: dimension for dimension, words in DIMENSIONS.items() for word in words}
_HEADING = [
    "Made by `gatectl import ratelimit`: a start, not the end. Lay it over the spec:",
    "gatectl validate -f gateway.yaml -f <this file>",
    "Which routes sent a descriptor, Envoy's configuration says: a limit holds on all, unless `routes` names some.",
]


@dataclass(frozen=True)
class ImportedLimits:
    """``limits`` is the bare data, ``text`` the same as a file; ``notes`` are warnings in reading order."""

    source: str
    limits: list[dict[str, Any]]
    text: str
    notes: tuple[Diagnostic, ...]

    def data(self) -> dict[str, Any]:
        """For the views."""
        return {
            "from": self.source,
            "limits": len(self.limits),
            "spec": self.text,
            "notes": told(self.notes),
        }


def import_ratelimit(name: str, text: str, meanings: Mapping[str, str]) -> ImportedLimits:
    """The limits of a file. ``meanings``: key of a descriptor → dimension, before those that are known by name.

    Raises SpecError when it is no such file or nothing of it can be carried over, GatectlError for a dimension that
    does not exist.
    """
    for key, dimension in meanings.items():
        try:
            TypeAdapter(Dimension).validate_python(dimension)
        except ValidationError:
            raise GatectlError(f'"{dimension}" is no dimension, in --as {key}={dimension}', 64) from None
    try:
        loaded = files.load({name: text})
    except files.ConfigError as error:
        raise SpecError(Diagnostic("GC0400", one.message, _at(one.place)) for one in error.findings) from None
    limits = _Limits(meanings)
    for finding in loaded.warnings:
        limits.note(finding.message, finding.place)
    for level in loaded.config.domains.values():
        limits.add(level, ())
    if not limits.made:
        refusal = Diagnostic("GC0400", "there is no limit that could be carried over", Location(name, 1, 1))
        raise SpecError([*limits.notes, refusal])
    notes = tuple(sorted(set(limits.notes), key=lambda note: note.sort_key))
    return ImportedLimits(name, limits.made, written({"rate_limits": limits.made}, _HEADING), notes)


class _NotSayableError(Exception):
    """Why a rule is left out, as what follows "it"."""


class _Limits:
    """Collects limits and what has to be said about them."""

    def __init__(self, meanings: Mapping[str, str]) -> None:
        self.made: list[dict[str, Any]] = []
        self.notes: list[Diagnostic] = []
        self._meanings, self._names = meanings, Names()

    def note(self, message: str, place: Place | None, hint: str | None = None, *, decided: bool = False) -> None:
        """Something that is not carried over, or (``decided``) that is another thing now."""
        code = "GC0402" if decided else "GC0401"
        self.notes.append(Diagnostic(code, message, _at(place) if place else None, hint, "warning"))

    def add(self, level: Level, above: Sequence[tuple[Node, Level]]) -> None:
        """Every rule below, each with the way that leads to it."""
        for node in level.nodes:
            way = (*above, (node, level))
            if node.rule is not None and node.rule.rate is not None:
                try:
                    self._carry_over(node.rule, way)
                except _NotSayableError as error:
                    self.note(f"the rule {node.rule.path} is left out: it {error}", node.place)
            self.add(node.level, way)

    def _carry_over(self, rule: Rule, way: Sequence[tuple[Node, Level]]) -> None:
        assert rule.rate is not None
        node = way[-1][0]
        per, limit = list[str](), dict[str, Any]()
        for dimension, value in self._dimensions([each for each, _ in way]):
            if not value:
                per.append(dimension)
            elif dimension == "route":
                limit["routes"] = [slug(value)]
                self.note(f'"{slug(value)}" must be a route of the spec', node.place, decided=True)
            else:
                limit.setdefault("when", {})[dimension] = [value]
        rate = SpecRate(rule.rate.requests, rule.rate.window_s * 1000)
        said = {
            "name": self._names.fresh(rule.name or "-".join(label(each.key, each.value) for each, _ in way), "limit"),
            "per": list(dict.fromkeys(per)) or [*limit.get("when", {})] or ["route"],
            "limit": write_rate(rate),
            "algorithm": "fixed_window",
            **limit,
        }
        if rule.shadow:
            said["enforce"] = False
        self._put(said, rule, way)
        if rule.replaces:
            self.note("replaces is not carried over: both limits hold", node.place)
        if rule.quota:
            self.note("quota_mode is not carried over: the limit refuses by itself", node.place, decided=True)

    def _dimensions(self, nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
        """What each descriptor of a way counts by or is narrowed to; an empty value: counted by."""
        for node in nodes:
            word = node.key.lower().replace("-", "_").removeprefix("x_")
            dimension = self._meanings.get(node.key) or _KNOWN.get(word)
            if dimension is None:
                raise _NotSayableError(
                    f'has the key "{node.key}", say what it is: --as {node.key}=header.{node.key.lower()}'
                )
            if node.has_wildcard and (node.value != "*" or node.share_threshold):
                raise _NotSayableError(f'has the pattern "{label(node.key, node.value)}"')
            yield dimension, "" if node.has_wildcard else node.value

    def _put(self, said: dict[str, Any], rule: Rule, way: Sequence[tuple[Node, Level]]) -> None:
        """Keep a limit, with whom it spares and how it counts where the language can say that."""
        place = way[-1][0].place
        counted = said | {"count_refused": True}
        if _problem(counted) is None:
            said = counted
        if problem := _problem(said):
            raise _NotSayableError(f"cannot be said: {problem}")
        spared = self._spared(way)
        if spared and _problem(said | {"exempt": spared}) is None:
            said = said | {"exempt": spared}
        elif spared:
            values = ", ".join(f"{dimension} {value}" for dimension, values in spared.items() for value in values)
            self.note(f"the rule {rule.path} did not hold for {values}, the limit does", place, decided=True)
        self.made.append(said)

    def _spared(self, way: Sequence[tuple[Node, Level]]) -> dict[str, list[str]]:
        """Values beside a key alone that have a descriptor of their own, by dimension."""
        spared: dict[str, list[str]] = {}
        for node, level in way:
            if not node.value:
                beside = [one for one in level.nodes if one.key == node.key and one.value]
                if any(one.has_wildcard for one in beside):
                    self.note(
                        f'patterns beside "{node.key}" are not carried over: its limit holds for them', node.place
                    )
                own = [one for one in beside if not one.has_wildcard]
                for dimension, value in self._dimensions(own):
                    spared.setdefault(dimension, []).append(value)
        return spared


def _problem(limit: dict[str, Any]) -> str | None:
    """Why a limit is none of the language, None when it is."""
    try:
        RateLimit.model_validate(frozen(limit))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return None


def _at(place: Place) -> Location:
    return Location(place.file, place.line, place.column)
