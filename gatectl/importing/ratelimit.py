"""A configuration file of envoyproxy/ratelimit → ``rate_limits``, to be laid over a spec.

A rule is what its descriptors say together: keys alone are counted by, values narrow it. Where others take its place,
``withholding`` says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gatectl.diagnostics import Diagnostic, GatectlError, Location, SpecError
from gatectl.fields import Rate as SpecRate
from gatectl.fields import write_rate
from gatectl.importing.names import Names, slug
from gatectl.importing.result import told
from gatectl.importing.withholding import Callers, Carried, problem, withheld
from gatectl.spec.formatting.writing import written
from ratelimit_svc.compat import files
from ratelimit_svc.compat.config import Level, Node, Pattern, Rate, Rule, label
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
    made = limits.made()
    if not made:
        refusal = Diagnostic("GC0400", "there is no limit that could be carried over", Location(name, 1, 1))
        raise SpecError([*limits.notes, refusal])
    notes = tuple(sorted(set(limits.notes), key=lambda note: note.sort_key))
    return ImportedLimits(name, made, written({"rate_limits": made}, _HEADING), notes)


class _NotSayableError(Exception):
    """Why a rule is left out, as what follows "it"."""


class _Limits:
    """Collects limits and what has to be said about them."""

    def __init__(self, meanings: Mapping[str, str]) -> None:
        self.notes: list[Diagnostic] = []
        self._rules: list[Carried] = []
        self._meanings, self._names = meanings, Names()

    def note(self, message: str, place: Place | None, *, decided: bool = False) -> None:
        """Something that is not carried over, or (``decided``) that is another thing now."""
        code = "GC0402" if decided else "GC0401"
        self.notes.append(Diagnostic(code, message, _at(place) if place else None, None, "warning"))

    def made(self) -> list[dict[str, Any]]:
        """The limits of all rules that were added."""
        return withheld(self._rules, self.note)

    def add(self, level: Level, above: Sequence[tuple[Node, Level]]) -> None:
        """Every rule below, each with the way that leads to it."""
        for node in level.nodes:
            way = (*above, (node, level))
            if node.rule is not None and (node.rule.rate is not None or node.rule.replaces):
                try:
                    self._carry_over(node.rule, way)
                except _NotSayableError as error:
                    self.note(f"the rule {node.rule.path} is left out: it {error}", node.place)
            self.add(node.level, way)

    def _carry_over(self, rule: Rule, way: Sequence[tuple[Node, Level]]) -> None:
        place = way[-1][0].place
        about = self._about([node for node, _ in way])
        limit = None if rule.rate is None else self._limit(rule, rule.rate, about, way)
        about.spared.update(self._spared(way))
        patterned = [node for node, level in way if _patterned(node, level)]
        about.patterned = bool(patterned)
        self._rules.append(Carried(rule, place, about, limit))
        if limit is None:
            return
        for node in patterned:
            self.note(f'patterns beside "{node.key}" are not carried over: its limit holds for them', node.place)
        if "route" in about.only:
            self.note(f'"{about.only["route"]}" must be a route of the spec', place, decided=True)
        if rule.quota:
            self.note("quota_mode is not carried over: the limit refuses by itself", place, decided=True)

    def _limit(self, rule: Rule, rate: Rate, about: Callers, way: Sequence[tuple[Node, Level]]) -> dict[str, Any]:
        when = {dimension: [value] for dimension, value in about.only.items() if dimension != "route"}
        said: dict[str, Any] = {
            "name": self._names.fresh(rule.name or "-".join(label(node.key, node.value) for node, _ in way), "limit"),
            "per": about.counted or [*when] or ["route"],
            "limit": write_rate(SpecRate(rate.requests, rate.window_s * 1000)),
            "algorithm": "fixed_window",
            "count_refused": True,
        }
        if "route" in about.only:
            said["routes"] = [about.only["route"]]
        if when:
            said["when"] = when
        if rule.shadow:
            said["enforce"] = False
        if rule.detailed_metric:
            said["detailed"] = True
        if found := problem(said):
            raise _NotSayableError(f"cannot be said: {found}")
        return said

    def _about(self, nodes: Sequence[Node]) -> Callers:
        """What each descriptor of a way counts by or is narrowed to."""
        about = Callers()
        for node in nodes:
            dimension = self._dimension(node)
            if node.has_wildcard and (node.value != "*" or node.share_threshold):
                raise _NotSayableError(f'has the pattern "{label(node.key, node.value)}"')
            by_itself = node.value in {"", "*"}
            if dimension in about.only or (dimension in about.counted and not by_itself):
                raise _NotSayableError(f"looks at {dimension} twice")
            if by_itself:
                about.counted += [] if dimension in about.counted else [dimension]
            elif dimension in {"upstream", "gateway"}:
                raise _NotSayableError(f"is for one {dimension} only, which a limit cannot say")
            else:
                about.only[dimension] = slug(node.value) if dimension == "route" else node.value
        return about

    def _dimension(self, node: Node) -> str:
        word = node.key.lower().replace("-", "_").removeprefix("x_")
        dimension = self._meanings.get(node.key) or _KNOWN.get(word)
        if dimension is None:
            hint = f"say what it is: --as {node.key}=header.{node.key.lower().replace('_', '-')}"
            raise _NotSayableError(f'has the key "{node.key}", {hint}')
        if word == "masked_remote_address" and node.key not in self._meanings:
            message = "addresses were counted by networks: say their size by `ipv4_prefix` and `ipv6_prefix`"
            self.note(message, node.place, decided=True)
        return dimension

    def _spared(self, way: Sequence[tuple[Node, Level]]) -> dict[str, list[str]]:
        """Values beside a key alone that have a descriptor of their own, by dimension."""
        spared: dict[str, list[str]] = {}
        for node, level in way:
            if node.value in {"", "*"}:
                own = [one for one in level.nodes if one.key == node.key and one.value and not one.has_wildcard]
                if own:
                    spared.setdefault(self._dimension(node), []).extend(one.value for one in own)
        return spared


def _patterned(node: Node, level: Level) -> bool:
    """Whether patterns take values from a key alone."""
    others = (one for one in level.nodes if one is not node and one.has_wildcard)
    return node.value in {"", "*"} and any(Pattern(one.key).matches(node.key) for one in others)


def _at(place: Place) -> Location:
    return Location(place.file, place.line, place.column)
