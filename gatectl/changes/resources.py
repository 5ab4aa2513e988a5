"""Envoy's resources and the services' rules: which differ between two bundles, and in which fields.

A value is shown only when no secret went into the making of its resource: every resource is made of some sections of
the spec, and a section that holds a value from the environment hides the values of all that is made of it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from gatectl.changes.objects import Action, Change, FieldChange
from gatectl.compiler.names import cluster_id
from gatectl.render.bundle import Bundle
from gatectl.spec.record import Record

HIDDEN = "(hidden)"
UPSTREAM_IN_ROUTE = {"timeout", "retries", "hash_by"}
"""Fields of an upstream that its routes are made of."""
_REVISION = "(revision)"
Resources = dict[tuple[str, str], Any]


def diff(before: Bundle | None, after: Bundle, old: Record | None, new: Record | None) -> tuple[Change, ...]:
    """The changes from one bundle to the other. Without the record of a spec, all its values are hidden."""
    was, now = _resources(before) if before else {}, _resources(after)
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
        changes.append(Change(action, key[0], HIDDEN if nameless else key[1], None, fields))
    return tuple(changes)


def listener_changes(before: Bundle, after: Bundle) -> bool:
    """Does Envoy get another listener? It drains the old one then, and with it every open connection."""
    was, now = (_neutral(bundle.resource("lds"), bundle.revision) for bundle in (before, after))
    return bool(was != now)


def names(bundle: Bundle) -> dict[str, set[str]]:
    """The names of a bundle's resources, by kind."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, name in _resources(bundle):
        found[kind].add(name)
    return found


def names_hidden(*records: Record | None) -> bool:
    """May no object be named, because a name came from the environment, or what did is not known?"""
    return any(_hidden(record) is None for record in records)


def _resources(bundle: Bundle) -> Resources:
    found: Resources = {}
    for kind, file in (("listener", "lds"), ("cluster", "cds")):
        found |= {(kind, one["name"]): _neutral(one, bundle.revision) for one in bundle.resource(file)}
    for host in bundle.resource("rds")[0]["virtual_hosts"]:
        routes = host["routes"]
        # order matters in a virtual host, and is all that it adds to its routes
        found["virtual host", host["name"]] = {**host, "routes": [route["name"] for route in routes]}
        found |= {("envoy route", route["name"]): _neutral(route, bundle.revision) for route in routes}
    authz, limits = json.loads(bundle.files["authz.json"]), json.loads(bundle.files["limits.json"])
    found |= {("access policy", name): route for name, route in authz.pop("routes").items()}
    found |= {("limit", name): limit for name, limit in limits.pop("limits").items()}
    for name, document in (("ext_authz", authz), ("ratelimit_svc", limits)):
        found["policy", name] = {key: value for key, value in document.items() if key != "revision"}
    return found


def _neutral(value: Any, revision: str) -> Any:
    """Every generation names itself in its routes: that is no difference."""
    if isinstance(value, dict):
        return {key: _neutral(child, revision) for key, child in value.items()}
    if isinstance(value, list):
        return [_neutral(child, revision) for child in value]
    return _REVISION if value == revision else value


def _hidden(record: Record | None) -> set[tuple[str, str]] | None:
    """The resources that a secret of the spec went into, as (kind, name); the name ``*`` stands for all of a kind.

    None when nothing may be shown.
    """
    if record is None:
        return None
    hidden: set[tuple[str, str]] = set()
    tainted = {tuple(pointer.split("/")[1:]) for pointer in record.secrets}
    sections = {path[0] for path in tainted}
    if sections - {"upstreams", "routes", "rate_limits", "cors", "authentication", "listener", "development"} or any(
        path[-1] in {"name", "id"} for path in tainted
    ):
        return None  # names are everywhere
    hidden |= {("cluster", cluster_id(path[1])) for path in tainted if path[0] == "upstreams"}
    routes = record.effective["routes"]
    own = {routes[int(path[1])]["name"] for path in tainted if path[0] == "routes"}
    upstreams = {path[1] for path in tainted if path[0] == "upstreams" and path[2] in UPSTREAM_IN_ROUTE}
    hidden |= {(kind, name) for kind in ("envoy route", "access policy") for name in own}
    hidden |= {("envoy route", route["name"]) for route in routes if route["upstream"] in upstreams}
    if sections & {"routes", "cors"}:
        hidden.add(("virtual host", "*"))
    if sections & {"cors", "rate_limits"}:
        hidden |= {("envoy route", "*"), ("limit", "*"), ("policy", "*")}
    if sections & {"authentication", "listener"}:
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
