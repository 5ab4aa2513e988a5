"""Which object of the spec does Envoy refuse?

Envoy's words name a cluster at best. Where they name nothing, the real binary is asked again with half of the routes,
and half of that: a few validations find the first one that it does not take.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gatectl.compiler.names import cluster_id
from gatectl.diagnostics import Diagnostic, GatectlError, Location
from gatectl.render.bundle import Bundle, canonical
from gatectl.rollout import envoy_check
from gatectl.rollout.stages import CDS, RDS
from gatectl.spec.record import Record, step

_WITHHELD = "Envoy refuses it; its words stay in its log, because they may repeat a value from the environment"
_ABOUT = "Envoy's own words, about the configuration that the spec renders to"


@dataclass(frozen=True)
class Guilty:
    """An object of the spec, by its section (``routes``) and its place in it."""

    section: str
    key: str | int | None = None

    @property
    def pointer(self) -> str:
        """Where it stands in a record."""
        pointer = step("", self.section)
        return pointer if self.key is None else step(pointer, self.key)


def blame(words: str, bundle: Bundle, record: Record | None, kinds: tuple[str, ...] = ()) -> Diagnostic:
    """Envoy's words with the place in the spec that they are about, as far as it can be found out.

    ``kinds`` are the files that a running Envoy refused; none when it only validated. Words that may repeat a value
    from the environment are not shown.
    """
    if record is None:
        return Diagnostic("GC0201", _WITHHELD, hint=_ABOUT)
    guilty = _named(words, record) or _found(bundle, record) or (Guilty("listener") if kinds == ("lds",) else None)
    if _is_secret(guilty, record):
        words = _WITHHELD
    if guilty is None:
        return Diagnostic("GC0201", words, hint=_ABOUT)
    place = record.places.get(guilty.pointer)
    return Diagnostic(
        "GC0201", f"{_title(guilty, record)}: {words}", Location.parse(place) if place else None, hint=_ABOUT
    )


def refusal_of(bundle: Bundle) -> str | None:
    """The words of an Envoy on this machine about a bundle; None when it takes it, or cannot be asked."""
    try:
        diagnostics, _ = envoy_check.check(bundle, "auto")
    except (GatectlError, ValueError):  # whoever looks for a reason must not lose the one that is known
        return None
    return diagnostics[0].message if diagnostics else None


def tellable(words: str, records: Sequence[Record | None]) -> bool:
    """May Envoy's words be shown when nobody is asked what they are about? Only if no spec that they can be about has a
    secret, or they name an upstream that has none. ``records`` holds None for a spec that is not known.
    """
    return all(record is not None and not _is_secret(_named(words, record), record) for record in records)


def _named(words: str, record: Record) -> Guilty | None:
    """A cluster that Envoy's words name, when its upstream goes by that name."""
    for name in record.effective["upstreams"]:
        if re.search(rf"\b{re.escape(cluster_id(name))}(?![a-z0-9-])", words):
            return Guilty("upstreams", name)
    return None


def _found(bundle: Bundle, record: Record) -> Guilty | None:
    """The first upstream or route that makes a real Envoy refuse; None when it takes everything, or there is none."""
    if not _refused(bundle):
        return None
    clusters = [one["name"] for one in bundle.resource("cds")]
    routes = list(json.loads(bundle.files["authz.json"])["routes"])
    if _refused(_only(bundle, (), ())):
        return Guilty("listener")
    if _refused(_only(bundle, clusters, ())):
        name = clusters[_first(len(clusters), lambda count: _refused(_only(bundle, clusters[:count], ()))) - 1]
        return next(
            (Guilty("upstreams", one) for one in record.effective["upstreams"] if cluster_id(one) == name), None
        )
    name = routes[_first(len(routes), lambda count: _refused(_only(bundle, clusters, routes[:count]))) - 1]
    names = [route["name"] for route in record.effective["routes"]]
    return Guilty("routes", names.index(name)) if name in names else None


def _first(count: int, refused: Callable[[int], bool]) -> int:
    """How many objects it takes to be refused, given that ``count`` are refused and none is not."""
    taken = 0
    while count - taken > 1:
        middle = (taken + count) // 2
        taken, count = (taken, middle) if refused(middle) else (middle, count)
    return count


def _refused(bundle: Bundle) -> bool:
    return refusal_of(bundle) is not None


def _only(bundle: Bundle, clusters: Sequence[str], routes: Sequence[str]) -> Bundle:
    """The bundle with these clusters and routes only."""
    upstreams, configuration = json.loads(bundle.files[CDS]), json.loads(bundle.files[RDS])
    upstreams["resources"] = [one for one in upstreams["resources"] if one["name"] in clusters]
    for host in configuration["resources"][0]["virtual_hosts"]:
        host["routes"] = [one for one in host["routes"] if one["name"] in routes or "direct_response" in one]
    changed = {RDS: canonical(configuration).encode(), CDS: canonical(upstreams).encode()}
    return replace(bundle, files={**bundle.files, **changed})


def _is_secret(guilty: Guilty | None, record: Record) -> bool:
    """May Envoy's words repeat a secret? Those about nothing in particular may, as soon as there is one."""
    if guilty is None:
        return bool(record.secrets)
    about = {guilty.pointer}
    if guilty.section == "routes":  # a route is made of its upstream, of limits and of the gateway's CORS as well
        about |= {step("/upstreams", record.effective["routes"][guilty.key]["upstream"]), "/rate_limits", "/cors"}
    return any(pointer == one or pointer.startswith(f"{one}/") for one in about for pointer in record.secrets)


def _title(guilty: Guilty, record: Record) -> str:
    if guilty.section == "upstreams":
        return f'upstream "{guilty.key}"'
    if guilty.section == "routes":
        return f'route "{record.effective["routes"][guilty.key]["name"]}"'
    return guilty.section
