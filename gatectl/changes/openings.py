"""What a change opens: who gets in where nobody got in before, and what no longer holds anybody back.

Access is compared on the very policies that the services obey. A rule opens something unless the old rules of the same
route granted all that it grants; a route opens something when it takes requests from a stricter one. Only names of
objects are ever part of what is said, never a value: values may be secret.
"""

import itertools
from collections.abc import Iterator, Sequence

from ext_authz import policy as authz
from ext_authz.condition import conjuncts, facts
from gatectl.changes.order import moved
from gatectl.changes.reach import Routing
from gatectl.changes.resources import Contents

Opening = tuple[str, str]
"""The object, as changes name it, and what it opens."""


def openings(before: Contents, after: Contents, was: Routing, now: Routing) -> Iterator[Opening]:
    """Everything that routes and callers open; ``was`` and ``now`` are the routes of both bundles."""
    old, new = before.authz, after.authz
    for name, route in new.routes.items():
        known = old.routes.get(name)
        for message in _route(name, route, known, was, now):
            yield f'route "{name}"', message
    for name in _taken_over(old, new, was, now):
        yield f'route "{name}"', "another route, which lets in others, takes requests that were its own"
    yield from _callers(old, new)


def _route(name: str, route: authz.Route, known: authz.Route | None, was: Routing, now: Routing) -> Iterator[str]:
    if route.public:
        if known is None or not known.public:
            yield "it is public: everybody gets in without a credential"
            return
        if not _no_more(name, was, now):
            yield "it is public, and takes other requests than before"
        if _leads_to(was, name) != _leads_to(now, name):
            yield "it is public, and leads elsewhere than before"
    elif known is not None and not known.public:
        if not _covered(_enforced(route, "allow"), _enforced(known, "allow")):
            yield "a rule grants what none granted before"
        elif any(_places(route, rule) != _places(known, rule) for rule in route.rules if rule.enforce):
            yield "its conditions look at other parts of the path"
        if not _covered(_enforced(known, "deny"), _enforced(route, "deny")):
            yield "what a rule denied before is not denied any more"
        if not _demands_as_much(route, known):
            yield "it takes other ways to prove who is calling, or fewer of them together"


def _enforced(route: authz.Route, effect: str) -> tuple[authz.Rule, ...]:
    return tuple(rule for rule in route.rules if rule.enforce and rule.effect == effect)


def _covered(rules: Sequence[authz.Rule], known: Sequence[authz.Rule]) -> bool:
    """Did the known rules match whenever one of the rules does? A rule is looked at method by method and role by
    role, because several together may have matched what one matches now.
    """
    for rule in rules:
        conditions = conjuncts(rule.where)
        for method, role in itertools.product(_each(rule.methods), _each(rule.roles)):
            if not any(
                (one.methods is None or method in one.methods)
                and (one.roles is None or role in one.roles)
                and one.path_template in {None, rule.path_template}
                and conjuncts(one.where) <= conditions
                for one in known
            ):
                return False
    return True


def _each(words: tuple[str, ...] | None) -> tuple[str | None, ...]:
    return (None,) if words is None else words


def _demands_as_much(route: authz.Route, known: authz.Route) -> bool:
    """Does a caller need no less to prove who he is than before? Without a word on it, any way will do."""
    new, old = route.authentication, known.authentication
    if old is None or new == old:
        return True
    if new is None:
        return False
    if new.all:  # the first one says who is calling
        same = new.methods[0] == old.methods[0] if old.all else new.methods[0] in old.methods
        return same and (not old.all or set(old.methods) <= set(new.methods))
    return not old.all and set(new.methods) <= set(old.methods)


def _places(route: authz.Route, rule: authz.Rule) -> dict[str, int]:
    """Where in the path the variables of a rule's condition stand."""
    template = (rule.path_template or route.path_template or "").split("/")
    places = {segment: index for index, segment in enumerate(template)}
    names = {fact.name for fact in facts(rule.where) if fact.source == "path"}
    return {name: places[f"{{{name}}}"] for name in names if f"{{{name}}}" in places}


def _no_more(name: str, was: Routing, now: Routing) -> bool:
    """Does a route take no requests that it did not take before?"""
    return now.reach[name].within(was.reach[name]) and all(name in was.order(one) for one in now.domains_of(name))


def _leads_to(routing: Routing, name: str) -> tuple[object, ...]:
    action = routing.routes[name]["route"]
    return action["cluster"], action.get("regex_rewrite")


def _taken_over(old: authz.Policy, new: authz.Policy, was: Routing, now: Routing) -> list[str]:
    """The protected routes some of whose requests go to a route that lets in others."""
    found: set[str] = set()
    same = {name for name in was.reach if was.reach[name] == now.reach.get(name)}
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for domain in was.domains | now.domains:
        before, after = was.order(domain), now.order(domain)
        if (key := (tuple(before), tuple(after))) in seen:
            continue
        seen.add(key)
        changed = _changed(before, after, same)
        for name in before.keys() - found:
            near = now.near(was.reach[name]) & after.keys()
            # among routes that all stay as they were, nobody loses anything
            if not old.routes[name].public and (name in changed or near & changed):
                rivals = sorted(near, key=after.__getitem__)
                if _loses(name, before, rivals, old, new, was, now):
                    found.add(name)
    return sorted(found)


def _changed(before: dict[str, int], after: dict[str, int], same: set[str]) -> set[str]:
    """Routes that are new, gone, match otherwise, or have another turn among those that stay."""
    stay, remain = [name for name in before if name in after], [name for name in after if name in before]
    return (before.keys() ^ after.keys()) | (set(stay) - same) | moved(stay, remain)


def _loses(
    name: str,
    before: dict[str, int],
    rivals: Sequence[str],
    old: authz.Policy,
    new: authz.Policy,
    was: Routing,
    now: Routing,
) -> bool:
    """Does one of the rivals, in their order, get a request of the old route, and let in others than it did?"""
    own = was.reach[name]
    for rival in rivals:
        reach = now.reach[rival]
        if rival != name and reach.meets(own):
            had = rival in before and before[rival] < before[name] and reach.within(was.reach[rival])
            looser = _looser(new.routes[rival], old.routes[name])
            if looser and not had:
                return True
        elif rival != name:
            continue
        if own.within(reach):
            return False  # whatever comes behind it gets nothing
    return False


def _looser(route: authz.Route, known: authz.Route) -> bool:
    """Does a route let in somebody whom another one did not?"""
    return (
        route.public
        or not _covered(_enforced(route, "allow"), _enforced(known, "allow"))
        or not _covered(_enforced(known, "deny"), _enforced(route, "deny"))
        or not _demands_as_much(route, known)
    )


def _callers(old: authz.Policy, new: authz.Policy) -> Iterator[Opening]:
    known = {issuer.issuer: issuer for issuer in old.issuers}
    for issuer in new.issuers:
        was = known.get(issuer.issuer)
        found = _issuer(was, issuer) if was is not None else ("tokens of another issuer are trusted",)
        yield from ((f'issuer "{issuer.name}"', opened) for opened in found)
    if known and new.issuers and new.revocations_stale_seconds > old.revocations_stale_seconds:
        yield "authentication", "a revoked token goes on for longer while Redis is away"
    if new.forward_credentials and not old.forward_credentials:
        yield "authentication", "upstreams get the credentials of callers"
    if old.throttling != new.throttling and _more_guesses(old.throttling, new.throttling):
        yield "abuse", "more failures to authenticate are borne, or from more addresses"
    if new.api_keys is not None:
        yield from _api_keys(old.api_keys, new.api_keys)
    yield from _certificates(old.certificates, new.certificates)


def _issuer(old: authz.Issuer, new: authz.Issuer) -> Iterator[str]:
    for field in ("audiences", "algorithms"):
        if not set(getattr(new, field)) <= set(getattr(old, field)):
            yield f"more {field} are accepted"
    if (old.jwks.file, old.jwks.url) != (new.jwks.file, new.jwks.url):
        yield "its keys come from another place"
    if _claims(old) != _claims(new):
        yield "its claims are read otherwise: who is who, and with which roles"
    if new.max_lifetime_seconds > old.max_lifetime_seconds:
        yield "tokens that live for longer are accepted, also ones that were revoked long ago"
    if new.jwks.max_stale_seconds > old.jwks.max_stale_seconds:
        yield "keys that cannot be renewed are trusted for longer"
    if new.leeway_seconds > old.leeway_seconds:
        yield "tokens are accepted for longer after they have expired"


def _more_guesses(old: authz.Throttling | None, new: authz.Throttling | None) -> bool:
    """May anybody guess more often than before, at once or over time, or sooner again?"""
    if old is None or new is None:
        return new is None
    return (
        new.slow_after > old.slow_after
        or new.refuse_after > old.refuse_after
        or new.window_ms < old.window_ms
        or new.block_ms < old.block_ms
        or not set(new.exempt) <= set(old.exempt)
    )


def _claims(issuer: authz.Issuer) -> tuple[object, ...]:
    return issuer.user_claim, issuer.roles_claim, issuer.plan_claim, issuer.attributes, issuer.mappings


def _api_keys(old: authz.ApiKeys | None, new: authz.ApiKeys) -> Iterator[Opening]:
    if old is None:
        yield "api keys", "callers get in with API keys"
    elif new.stale_seconds > old.stale_seconds:
        yield "api keys", "a revoked key goes on for longer while Redis is away"
    if new.cookie is not None and (old is None or old.cookie != new.cookie):
        yield "api keys", "keys come in a cookie: browsers send it by themselves, for whatever site asks them to"
    known = {key.id: key for key in old.static} if old else {}
    for key in new.static:
        was, title = known.get(key.id), f'static key "{key.id}"'
        if was is None:
            yield title, "its holder gets in"
            continue
        if was.sha256 != key.sha256:
            yield title, "the holder of another key gets in"
        if (was.user, was.plan, was.attributes) != (key.user, key.plan, key.attributes):
            yield title, "its holder becomes somebody else"
        if not set(key.roles) <= set(was.roles):
            yield title, "its holder gets more roles"


def _certificates(old: Sequence[authz.Certificate], new: Sequence[authz.Certificate]) -> Iterator[Opening]:
    known = {one.name: one for one in old}
    for one in new:
        was, title = known.get(one.name), f'certificate "{one.name}"'
        if was is None:
            yield title, "its holder gets in"
            continue
        if (was.user, was.plan, was.attributes) != (one.user, one.plan, one.attributes):
            yield title, "its holder becomes somebody else"
        if not set(one.roles) <= set(was.roles):
            yield title, "its holder gets more roles"
