"""A configuration of Envoy → a spec: clusters become upstreams, routes stay routes, access is asked of everybody."""

from collections import Counter
from typing import Any

from pydantic import ValidationError

from gatectl.diagnostics import Diagnostic, Location, SpecError
from gatectl.importing import envoy_listener
from gatectl.importing.envoy_clusters import upstream_of
from gatectl.importing.envoy_dump import Dump, Item, Notes, read_dump, span
from gatectl.importing.envoy_hosts import hosts_of, in_one_list
from gatectl.importing.envoy_match import NotSayableError
from gatectl.importing.envoy_overload import Spared, spare
from gatectl.importing.envoy_routes import Found, route_of
from gatectl.importing.names import Names, slug
from gatectl.importing.result import Imported, frozen, sealed
from gatectl.spec.model import Abuse, Listener, Route, Section, Upstream
from gatectl.spec.overlap import shadowed

_OURS = "upstream-"
"""What `gatectl apply` puts before an upstream's name."""


def import_envoy(name: str, text: str) -> Imported:
    """The spec of a config_dump or a bootstrap. Raises SpecError when it is neither, or has no route to carry over."""
    notes = Notes()
    dump = read_dump(name, text)
    listener, abuse, spared, configuration = envoy_listener.listener_of(dump, notes)
    for field, value in list(listener.items()):
        if not _is_valid(Listener, {field: value}, "the listener", notes):
            del listener[field]
    if not _is_valid(Abuse, abuse, "the limit by address", notes):
        abuse = {}
    found, virtual_hosts = _virtual_hosts(configuration, notes)
    upstreams, names = _upstreams(dump, found, spared, notes)
    routes = _routes(virtual_hosts, upstreams, names, notes)
    for item in [configuration, *dump.clusters] if configuration else []:
        for field, path in item.untouched():
            notes.add(f'"{field}" is not carried over', path)
    if not routes:
        refusal = Diagnostic(
            "GC0400", "there is no route to an upstream that could be carried over", Location(name, 1, 1)
        )
        raise SpecError([*notes.diagnostics(), refusal])
    notes.add(
        "who may call is not in Envoy's configuration: every route asks for an authenticated caller, no limit counts",
        hint="write the access rules and rate_limits",
        decided=True,
    )
    spec = {
        "version": 1,
        "name": slug(dump.gateway) or "imported",
        **({"listener": listener} if listener else {}),
        "authentication": {"api_keys": {"header": "X-API-Key"}},
        **({"abuse": abuse} if abuse else {}),
        "upstreams": {names[cluster]: upstream for cluster, upstream in upstreams.items()},
        "routes": routes,
    }
    return sealed(name, "envoy", spec, notes.diagnostics())


def _virtual_hosts(
    configuration: Item | None, notes: Notes
) -> tuple[list[Found], list[tuple[list[str], list[tuple[str, Found]]]]]:
    """Every route there is, and what each virtual host has of them in order, by the name that Envoy has for it."""
    found: list[Found] = []
    virtual_hosts: list[tuple[list[str], list[tuple[str, Found]]]] = []
    for host in configuration.items("virtual_hosts") if configuration else []:
        domains = hosts_of(host.take("domains", list) or [], host.path, notes)
        name = str(host.take("name"))
        host.ignore("include_request_attempt_count")
        routes: list[tuple[str, Found]] = []
        for item in host.items("routes"):
            try:
                route = route_of(item, notes)
            except NotSayableError as error:
                notes.add(f"a route is left out: it {error}", item.path)
                host.below.remove(item)
                continue
            if route is not None:
                routes.append((str(item.data.get("name") or ""), route))
        found += [route for _, route in routes]
        virtual_hosts += [(domains, routes)] if domains else []
        if not domains:
            notes.add(f'the virtual host "{name}" is left out: it has no domain that a spec can say', host.path)
    if len(virtual_hosts) > 1:
        message = "what no route of its host takes goes on to the routes without hosts; Envoy would answer 404"
        notes.add(message, decided=True)
    return found, virtual_hosts


def _upstreams(
    dump: Dump, found: list[Found], spared: list[Spared], notes: Notes
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Upstreams and their names by cluster, completed with what their routes say: only those that are used."""
    names, minted = Names(), dict[str, str]()
    made: dict[str, dict[str, Any]] = {}
    for cluster in list(dump.clusters):
        name = str(cluster.data.get("name"))
        users = [one for one in found if one.cluster == name]
        if not users:
            dump.clusters.remove(cluster)
            continue
        upstream = upstream_of(cluster, dump, notes)
        if upstream is None:
            continue
        timeout = Counter(one.timeout_ms for one in users).most_common(1)[0][0]
        upstream["timeout"] = span(timeout)
        retries = next((one.retries for one in users if one.retries), {})
        if any(one.retries != retries for one in users):
            notes.add(f'the routes to "{name}" retry differently: all do what the first one says', cluster.path)
        if retries or "retries" in upstream:
            upstream["retries"] = {**retries, **upstream.get("retries", {})}
        spare(upstream, spared, [one.filters for one in users], notes)
        if upstream.get("load_balancing") == "ring_hash":
            upstream["hash_by"] = next((one.hash_by for one in users if one.hash_by), "client_address")
        if _is_valid(Upstream, upstream, cluster.path, notes):
            made[name] = upstream
            minted[name] = names.fresh(name.removeprefix(_OURS), "upstream")
            for one in users:
                if one.timeout_ms != timeout:
                    one.route["timeout"] = span(one.timeout_ms)
    return made, minted


def _routes(
    virtual_hosts: list[tuple[list[str], list[tuple[str, Found]]]],
    upstreams: dict[str, dict[str, Any]],
    names: dict[str, str],
    notes: Notes,
) -> list[dict[str, Any]]:
    known: list[tuple[list[str], list[dict[str, Any]]]] = []
    for domains, routes in virtual_hosts:
        known.append((domains, []))
        for name, one in routes:
            if one.cluster not in upstreams:
                notes.add(f'a route to "{one.cluster}" is left out with its cluster')
            else:
                known[-1][1].append({"name": name, **one.route, "upstream": names[one.cluster]})
    minted = Names()
    ordered = []
    for route in in_one_list(known):
        match = route["match"]
        place = match.get("path") or match.get("path_prefix") or match.get("path_template") or ""
        named = {"name": minted.fresh(route["name"] or place, "route"), "match": match, "upstream": route["upstream"]}
        named |= {field: value for field, value in route.items() if field not in named}
        if _is_valid(Route, named, f'route "{named["name"]}"', notes):
            ordered.append(named)
    typed = [Route.model_validate(frozen(route)) for route in ordered]
    dead = dict(shadowed(typed))
    for later, earlier in dead.items():
        message = f'the route "{typed[later].name}" is left out: "{typed[earlier].name}" takes all its requests'
        notes.add(message)
    return [route for index, route in enumerate(ordered) if index not in dead]


def _is_valid(model: type[Section], data: dict[str, Any], place: str, notes: Notes) -> bool:
    try:
        model.model_validate(frozen(data))
    except ValidationError as error:
        first = error.errors()[0]
        notes.add(f"left out, a spec cannot say it: {'.'.join(map(str, first['loc']))}: {first['msg']}", place)
        return False
    return True
