"""Envoy's resources and the services' rules: which differ between two bundles, and in which fields.

A value is shown only when no secret went into the making of its resource: every resource is made of some sections of
the spec, and a section that holds a value from the environment hides the values of all that is made of it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from ext_authz import policy as authz
from gatectl.changes.objects import Action, Change, FieldChange
from gatectl.compiler.names import ROUTES, cluster_id
from gatectl.render.bundle import Bundle
from gatectl.spec.record import Record
from ratelimit_svc import policy as limits

HIDDEN = "(hidden)"
NAMED = "(named)"
"""In a set of hidden resources: those of this kind may not even be named."""
UPSTREAM_IN_ROUTE = {"timeout", "retries", "hash_by"}
"""Fields of an upstream that its routes are made of."""
UPSTREAM_IN_LISTENER = {"adaptive_concurrency", "admission_control"}
"""Fields of an upstream that filters of the listener are made of."""
_REVISION = b'"(revision)"'
Resources = dict[tuple[str, str], Any]


@dataclass(frozen=True)
class Rendered:
    """The files of a bundle, whoever wrote them: every resource and rule by kind and name."""

    revision: str
    resources: Resources

    def of(self, kind: str) -> dict[str, Any]:
        """The resources of one kind, by name."""
        return {name: one for (known, name), one in self.resources.items() if known == kind}

    def names(self, kind: str) -> set[str]:
        """The names of the resources of one kind."""
        return set(self.of(kind))

    @property
    def listener(self) -> dict[str, Any]:
        """The listener for TCP. One for HTTP/3 differs only in how its connections are made."""
        return dict(self.resources["listener", ROUTES])


@dataclass(frozen=True)
class Contents(Rendered):
    """A bundle that this version understands: the policies of the services besides."""

    authz: authz.Policy
    limits: limits.Policy


def contents(bundle: Bundle) -> Contents:
    """Read a bundle. Raises ValueError when its policies are none that the services of this version would load."""
    policies = authz.load(bundle.files["authz.json"]), limits.load(bundle.files["limits.json"])
    return Contents(bundle.revision, rendered(bundle).resources, *policies)


def rendered(bundle: Bundle) -> Rendered:
    """The files of a bundle. That a generation names itself is no difference to another.

    Raises ValueError, LookupError, TypeError or AttributeError for files that are not of this shape at all.
    """
    own = b'"%s"' % bundle.revision.encode()
    files = {name: content.replace(own, _REVISION) for name, content in bundle.files.items()}
    envoy = {kind: orjson.loads(files[f"envoy/{kind}.json"])["resources"] for kind in ("lds", "cds", "rds")}
    found: Resources = {("listener", one["name"]): one for one in envoy["lds"]}
    found |= {("cluster", one["name"]): one for one in envoy["cds"]}
    for host in envoy["rds"][0]["virtual_hosts"]:
        found |= {("envoy route", route["name"]): route for route in host["routes"]}
        # order matters in a virtual host, and is all that it adds to its routes
        found["virtual host", host["name"]] = {**host, "routes": [route["name"] for route in host["routes"]]}
    access, counted = orjson.loads(files["authz.json"]), orjson.loads(files["limits.json"])
    found |= {("access policy", name): route for name, route in access.pop("routes").items()}
    found |= {("limit", name): limit for name, limit in counted.pop("limits").items()}
    found |= {("policy", "ext_authz"): access, ("policy", "ratelimit_svc"): counted}
    return Rendered(bundle.revision, found)


def diff(before: Rendered | None, after: Rendered, old: Record | None, new: Record | None) -> tuple[Change, ...]:
    """The changes from one bundle to the other. Without the record of a spec, all its values are hidden."""
    was, now = before.resources if before else {}, after.resources
    hidden = [_hidden(record) for record in (old, new)] if before else [_hidden(new)]
    nameless = None in hidden
    changes: list[Change] = []
    for key in dict.fromkeys((*now, *was)):
        action: Action = "add" if key not in was else "delete" if key not in now else "change"
        fields: tuple[FieldChange, ...] = ()
        if action == "change":
            if was[key] == now[key]:
                continue
            shown = not any(one is None or key in one or (key[0], "*") in one for one in hidden)
            fields = tuple(_fields(was[key], now[key], "", shown=shown))
        secret = nameless or any((key[0], NAMED) in one for one in hidden if one is not None)
        changes.append(Change(action, key[0], HIDDEN if secret else key[1], None, fields))
    return tuple(changes)


def names_hidden(*records: Record | None) -> bool:
    """May no object be named, because a name came from the environment, or what did is not known?"""
    return any(_hidden(record) is None for record in records)


def _hidden(record: Record | None) -> set[tuple[str, str]] | None:
    """The resources that a secret of the spec went into, as (kind, name); the name ``*`` stands for all of a kind.

    None when nothing may be shown.
    """
    if record is None:
        return None
    hidden: set[tuple[str, str]] = set()
    tainted = {tuple(pointer.split("/")[1:]) for pointer in record.secrets}
    sections = {path[0] for path in tainted}
    if sections - {
        "upstreams",
        "routes",
        "rate_limits",
        "cors",
        "authentication",
        "listener",
        "abuse",
        "development",
    } or any(path[-1] in {"name", "id", "uri", "dns"} for path in tainted):
        return None  # names are everywhere
    hidden |= {("cluster", cluster_id(path[1])) for path in tainted if path[0] == "upstreams"}
    if any(path[0] == "upstreams" and path[2] in UPSTREAM_IN_LISTENER for path in tainted):
        hidden.add(("listener", "*"))
    routes = record.effective["routes"]
    own = {routes[int(path[1])]["name"] for path in tainted if path[0] == "routes"}
    upstreams = {path[1] for path in tainted if path[0] == "upstreams" and path[2] in UPSTREAM_IN_ROUTE}
    hidden |= {(kind, name) for kind in ("envoy route", "access policy") for name in own}
    hidden |= {("envoy route", route["name"]) for route in routes if route["upstream"] in upstreams}
    if any(path[2:4] == ("match", "hosts") for path in tainted):
        hidden.add(("virtual host", NAMED))
    if sections & {"routes", "cors"}:
        hidden.add(("virtual host", "*"))
    if sections & {"cors", "rate_limits"}:
        hidden |= {("envoy route", "*"), ("limit", "*"), ("policy", "*")}
    if sections & {"authentication", "listener", "abuse"}:
        hidden |= {("listener", "*"), ("policy", "*")}
    return hidden


def _fields(was: Any, now: Any, path: str, *, shown: bool) -> Iterator[FieldChange]:
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*was, *now)):
            yield from _fields(was.get(name), now.get(name), f"{path}.{name}" if path else name, shown=shown)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, pair in enumerate(zip(was, now, strict=True)):
            yield from _fields(*pair, f"{path}[{index}]", shown=shown)
    else:
        yield FieldChange(path, *(_shown(one) if shown else HIDDEN for one in (was, now)))


def _shown(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
