"""What a change does to those who use the gateway: whom it cuts off, and what it opens.

Access is compared on the very policies that the services obey: a rule opens something unless an old rule of the same
route granted all that it grants.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ext_authz import policy as authz
from gatectl.changes.resources import Contents, Resources
from ratelimit_svc import policy as limits


@dataclass(frozen=True)
class Effect:
    """One warning; ``object`` names what it is about, as changes do."""

    kind: Literal["cuts-connections", "opens-access"]
    object: str
    message: str


def effects(before: Contents | None, after: Contents, *, nameless: bool = False) -> tuple[Effect, ...]:
    """Every warning about a switch from one bundle to the other; ``nameless``: names of objects are not for output.

    Only names of objects are ever part of a warning, never a value: values may be secret.
    """
    if before is None or before.revision == after.revision:
        return ()
    found = (
        *_cuts(before.resources, after.resources),
        *_routes_opened(before, after),
        *_callers(before.authz, after.authz),
        *_limits(before.limits, after.limits),
        *_edge(before.resources, after.resources),
    )
    return tuple(replace(one, object=one.object.partition(' "')[0]) for one in found) if nameless else found


def _cuts(was: Resources, now: Resources) -> Iterator[Effect]:
    if _listeners(was) != _listeners(now):
        yield Effect("cuts-connections", "listener", "Envoy drains the old listener and closes its open connections")
    for kind, name in was.keys() - now.keys():
        if kind == "cluster":
            message = "its connections are closed when what is under way has ended"
            yield Effect("cuts-connections", f'cluster "{name}"', message)


def _routes_opened(before: Contents, after: Contents) -> Iterator[Effect]:
    old, new = before.authz, after.authz
    was, now = ({name: one["match"] for name, one in _routes(each.resources).items()} for each in (before, after))
    for name, route in new.routes.items():
        title = f'route "{name}"'
        known = old.routes.get(name)
        if route.public and (known is None or not known.public):
            yield Effect("opens-access", title, "it is public: everybody gets in without a credential")
        elif route.public and was.get(name) != now.get(name):
            yield Effect("opens-access", title, "it is public, and takes other requests than before")
        elif known is not None and not known.public:
            for rule in route.rules:
                if not any(_covers(one, rule) for one in known.rules):
                    yield Effect("opens-access", title, "a rule grants what none granted before")
    for name in old.routes.keys() - new.routes.keys():
        if not old.routes[name].public and any(_takes_over(was[name], now[one], new.routes[one]) for one in now):
            yield Effect("opens-access", f'route "{name}"', "it goes, and a public route takes its requests")


def _covers(wide: authz.Rule, narrow: authz.Rule) -> bool:
    """Does ``wide`` grant everything that ``narrow`` grants?"""
    return (
        (wide.methods is None or (narrow.methods is not None and set(narrow.methods) <= set(wide.methods)))
        and (wide.roles is None or (narrow.roles is not None and set(narrow.roles) <= set(wide.roles)))
        and set(wide.where) <= set(narrow.where)
    )


def _callers(old: authz.Policy, new: authz.Policy) -> Iterator[Effect]:
    known = {issuer.name: issuer for issuer in old.issuers}
    for issuer in new.issuers:
        was = known.get(issuer.name)
        title = f'issuer "{issuer.name}"'
        if was is None or was.issuer != issuer.issuer:
            yield Effect("opens-access", title, "tokens of another issuer are trusted")
            continue
        for field in ("audiences", "algorithms"):
            if not set(getattr(issuer, field)) <= set(getattr(was, field)):
                yield Effect("opens-access", title, f"more {field} are accepted")
        if was.jwks != issuer.jwks:
            yield Effect("opens-access", title, "its keys come from another place")
    keys = {key.id for key in old.api_keys.static} if old.api_keys else set()
    for key in new.api_keys.static if new.api_keys else ():
        if key.id not in keys:
            yield Effect("opens-access", f'static key "{key.id}"', "its holder gets in")


def _limits(old: limits.Policy, new: limits.Policy) -> Iterator[Effect]:
    for name, was in old.limits.items():
        now = new.limits.get(name)
        title = f'rate limit "{name}"'
        if now is None:
            yield Effect("opens-access", title, "it goes")
        elif now.requests / now.window_ms > was.requests / was.window_ms:
            yield Effect("opens-access", title, "it admits more than before")
        elif (now.per, now.when) != (was.per, was.when):
            yield Effect("opens-access", title, "it counts by something else, and starts from zero")
    if (old.on_store_failure, new.on_store_failure) == ("deny", "allow"):
        yield Effect("opens-access", "rate limiting", "requests pass with local counters while Redis is away")


def _edge(was: Resources, now: Resources) -> Iterator[Effect]:
    if _trusted_hops(now) > _trusted_hops(was):
        yield Effect("opens-access", "listener", "more of X-Forwarded-For is believed: who is a client's address")
    old, new = _cors(was), _cors(now)
    for name, policy in new.items():
        known = old.get(name, {})
        more = [
            one for one in policy["allow_origin_string_match"] if one not in known.get("allow_origin_string_match", [])
        ]
        if more or (policy["allow_credentials"] and not known.get("allow_credentials")):
            yield Effect("opens-access", f'route "{name}"', "browsers on more sites may call it (CORS)")


def _listeners(resources: Resources) -> list[Any]:
    return [message for (kind, _), message in resources.items() if kind == "listener"]


def _trusted_hops(resources: Resources) -> int:
    (listener,) = _listeners(resources)
    return int(listener["filter_chains"][0]["filters"][-1]["typed_config"].get("xff_num_trusted_hops", 0))


def _routes(resources: Resources) -> dict[str, dict[str, Any]]:
    return {name: one for (kind, name), one in resources.items() if kind == "envoy route" and "route" in one}


def _cors(resources: Resources) -> dict[str, Any]:
    filters = {name: route.get("typed_per_filter_config", {}) for name, route in _routes(resources).items()}
    return {name: one["envoy.filters.http.cors"] for name, one in filters.items() if "envoy.filters.http.cors" in one}


def _takes_over(match: Mapping[str, Any], other: Mapping[str, Any], route: authz.Route) -> bool:
    """Would a public route's prefix take what ``match`` took? Path templates are compared by their fixed start."""
    if not route.public:
        return False
    prefix = other.get("prefix") or other.get("path_separated_prefix")
    if prefix is None:
        return bool(match == other)
    own = json.dumps(match)
    paths = [match.get("path"), match.get("path_separated_prefix"), match.get("prefix")]
    if "path_template" in own:
        paths = [match["path_match_policy"]["typed_config"]["path_template"]]
    path = next(filter(None, paths), "/")
    return prefix in {"/", path} or path.startswith(f"{prefix}/")
