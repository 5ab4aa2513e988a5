"""Access rules that do not say what they seem to say."""

from collections.abc import Iterator

from ext_authz.condition import Condition, conjuncts, facts
from ext_authz.condition import roles as roles_in
from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Path, Subject, Thing, granting, rules_of
from gatectl.spec.conditions import parse
from gatectl.spec.model import AccessRule, Route

_PREFLIGHT = "OPTIONS"


def _void(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        rules = granting(route)
        for position, rule in rules:
            wider = next(
                (
                    other
                    for other, candidate in rules
                    if _includes(subject, candidate, rule) and (other < position or candidate != rule)
                ),
                None,
            )
            if wider is None:
                continue
            text = f"has a rule without effect: its rule {wider + 1} lets in everybody whom rule {position + 1} would"
            yield Found(subject.route(index), text, subject.at("routes", index, "access", position))


def _includes(subject: Subject, wide: AccessRule, narrow: AccessRule) -> bool:
    """Whether ``wide`` grants whatever ``narrow`` does."""
    wide_roles, narrow_roles = subject.roles_of(wide), subject.roles_of(narrow)
    return (
        (wide.methods is None or (narrow.methods is not None and set(narrow.methods) <= set(wide.methods)))
        and (wide_roles is None or (narrow_roles is not None and set(narrow_roles) <= set(wide_roles)))
        and wide.path_template in {None, narrow.path_template}
        and conjuncts(_condition(wide)) <= conjuncts(_condition(narrow))
    )


def _condition(rule: AccessRule) -> Condition | None:
    return parse(rule.where) if rule.where is not None else None


def _never_routed(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        taken = {*route.match.methods, *_preflight(subject, route)}
        for position in range(len(rules_of(route)) if route.match.methods else 0):
            path: Path = ("routes", index, "access", position, "methods")
            lost = [shown for method, shown in subject.shown_in(*path).items() if method not in taken]
            if lost:
                text = f"has a rule for {', '.join(lost)}, which its match does not take"
                yield Found(subject.route(index), text, subject.at(*path))


def _preflight(subject: Subject, route: Route) -> tuple[str, ...]:
    """A route with CORS takes OPTIONS too, and answers preflights before anybody asks for access."""
    return (_PREFLIGHT,) if route.cors or subject.spec.cors else ()


def _never_granted(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        rules = granting(route)
        if route.access == "public" or any(rule.methods is None for _, rule in rules):
            continue
        granted = {method for _, rule in rules for method in rule.methods or ()} | {*_preflight(subject, route)}
        methods = subject.shown_in("routes", index, "match", "methods")
        refused = [shown for method, shown in methods.items() if method not in granted]
        if refused:
            text = f"takes {', '.join(refused)}, which none of its rules grants"
            yield Found(subject.route(index), text, subject.at("routes", index, "match", "methods"))


def _unmeetable(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        for position, rule in enumerate(rules_of(route)):
            path: Path = ("routes", index, "access", position)
            if (rule.roles or rule.permissions) and not subject.can_have["role"]:
                text = "asks for a role, and no caller has one"
                yield Found(subject.route(index), text, subject.at(*path, "roles" if rule.roles else "permissions"))
            for name in dict.fromkeys(_properties(_condition(rule))):
                if name != "id" and not subject.can_have.get(name, subject.can_have[""]):
                    text = f"looks at user.{name}, which no caller has"
                    yield Found(subject.route(index), text, subject.at(*path, "where"))


def _properties(condition: Condition | None) -> Iterator[str]:
    """What a condition asks of the user."""
    return (fact.name for fact in facts(condition) if fact.source in {"user", "attribute"})


def _unused_role(subject: Subject) -> Iterator[Found]:
    rules = [rule for _, route in subject.routes for rule in rules_of(route)]
    named = {role for rule in rules for role in (*(subject.roles_of(rule) or ()), *roles_in(_condition(rule)))}
    named |= {role for limit in subject.spec.rate_limits for role in limit.when.get("role", ())}
    lists: list[tuple[Thing, Path, tuple[str, ...]]] = [
        (thing, ("authentication", "api_keys", "static", index), key.roles)
        for index, (key, thing, _) in enumerate(subject.static_keys)
    ]
    for index, key in enumerate(subject.spec.development.keys):
        path: Path = ("development", "keys", index)
        lists.append((Thing("development key", subject.shown(*path, "user")), path, key.roles))
    for thing, path, roles in lists:
        for position, role in enumerate(roles):
            if role not in named:
                place = (*path, "roles", position)
                text = f'has the role "{subject.shown(*place)}", which no rule and no limit names'
                yield Found(thing, text, subject.at(*place))


def _shadow(subject: Subject) -> Iterator[Found]:
    for index, route in subject.routes:
        for position, rule in enumerate(rules_of(route)):
            if rule.enforce is False:
                at = subject.at("routes", index, "access", position, "enforce")
                yield Found(subject.route(index), f"has a rule that is not enforced: its rule {position + 1}", at)


RULES: tuple[Rule, ...] = (
    Rule(
        "GL060",
        "void-rule",
        "warning",
        "security",
        5,
        "an access rule has no effect beside a wider one",
        "One rule that grants is enough: the stricter one beside it looks like protection and is none.",
        "Remove the one that is not meant: the wide one opens more, the narrow one says nothing.",
        _void,
    ),
    Rule(
        "GL061",
        "never-routed",
        "warning",
        "hygiene",
        0,
        "an access rule names methods that its route does not take",
        "Requests with these methods never come here: they go to a later route, or get 404.",
        "Add them to the match of the route, or take them out of the rule.",
        _never_routed,
    ),
    Rule(
        "GL062",
        "never-granted",
        "info",
        "hygiene",
        0,
        "a route takes methods that none of its rules grants",
        "Everybody gets 403 for them, and a later route that would let them through never sees them.",
        "Add a rule for them, or take them out of the match.",
        _never_granted,
    ),
    Rule(
        "GL063",
        "unmeetable-rule",
        "warning",
        "hygiene",
        0,
        "an access rule asks for what no caller can have",
        "It grants nothing: no issuer maps a claim to it, and there are no API keys that could carry it.",
        "Map the claim in the issuer's `claims`.",
        _unmeetable,
    ),
    Rule(
        "GL064",
        "unused-role",
        "info",
        "hygiene",
        0,
        "a key has a role that nothing names",
        "A misspelt role looks like one that is not used yet, and its owner gets 403.",
        "Name the role in an access rule, or correct its spelling.",
        _unused_role,
    ),
    Rule(
        "GL065",
        "shadow-rule",
        "info",
        "hygiene",
        0,
        "an access rule is not enforced",
        "It records what it would have done and changes nothing: a denial that was meant for later stays open.",
        "Read what it recorded, then take `enforce: false` away or the rule.",
        _shadow,
    ),
)
