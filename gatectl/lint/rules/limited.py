"""Rate limits and what they suppose: plans and roles that callers have, and what is behind them."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from gatectl.diagnostics import Location
from gatectl.fields import write_duration
from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Path, Subject, rules_of
from gatectl.spec.holding import holding
from gatectl.spec.model.allowance import LEASE_MS

_NAMED = ("plan", "role")
_MOST = 200
"""Names among which likeness is looked for: among more of them every one is like another."""


class _Mention(NamedTuple):
    """A plan or a role that a limit names."""

    limit: int
    path: Path
    trait: str
    value: str
    shown: str


def _mentions(subject: Subject) -> Iterator[_Mention]:
    for index, limit in enumerate(subject.spec.rate_limits):
        yield from (_Mention(index, ("plans", plan), "plan", plan, plan) for plan in limit.plans)
        for field, chosen in (("when", limit.when), ("exempt", limit.exempt)):
            for trait in _NAMED:
                for position, value in enumerate(chosen.get(trait, ())):
                    path: Path = (field, trait, position)
                    yield _Mention(index, path, trait, value, subject.shown("rate_limits", index, *path))


def _at(subject: Subject, one: _Mention) -> Location:
    """Where the name itself stands: of a plan's numbers that is their key."""
    node = subject.tree.find(("rate_limits", one.limit, *one.path))
    return node.key_at or node.at


def _given(subject: Subject, trait: str) -> dict[str, str]:
    """The plans or roles that the spec knows of, and how a message may quote them."""
    authentication = subject.spec.authentication
    holders: list[tuple[Path, str | None, tuple[str, ...]]] = [
        (("authentication", "api_keys", "static", index), key.plan, key.roles)
        for index, (key, _, _) in enumerate(subject.static_keys)
    ]
    for index, owner in enumerate(authentication.certificates):
        holders.append((("authentication", "certificates", index), owner.plan, owner.roles))
    for index, issuer in enumerate(authentication.jwt):
        for position, mapped in enumerate(issuer.claims.map):
            path: Path = ("authentication", "jwt", index, "claims", "map", position)
            holders.append((path, mapped.plan, mapped.roles))
    for index, one in enumerate(subject.spec.development.keys):
        holders.append((("development", "keys", index), one.plan, one.roles))
    if trait == "plan":
        return {plan: subject.shown(*path, "plan") for path, plan, _ in holders if plan is not None}
    found = {role: role for role in subject.spec.roles}
    for path, _, _ in holders:
        found |= subject.shown_in(*path, "roles")
    for index, route in subject.routes:
        found |= subject.shown_in("routes", index, "access", "roles")
        for position in range(len(rules_of(route))):
            found |= subject.shown_in("routes", index, "access", position, "roles")
    return found


def _may_be_any(subject: Subject, trait: str) -> bool:
    """Whether callers may bring any plan or role: in a key of Redis, or in a claim."""
    authentication = subject.spec.authentication
    claims = [issuer.claims.plan if trait == "plan" else issuer.claims.roles for issuer in authentication.jwt]
    return authentication.api_keys is not None or any(claim is not None for claim in claims)


def _unknown(subject: Subject) -> Iterator[Found]:
    given = {trait: _given(subject, trait) for trait in _NAMED if not _may_be_any(subject, trait)}
    for one in _mentions(subject):
        known = given.get(one.trait)
        # that no caller at all has what `when` asks for is GL023
        if known is None or one.value in known or (one.path[0] == "when" and not subject.can_have[one.trait]):
            continue
        near = difflib.get_close_matches(one.value, known, 1)
        hint = f': did you mean "{known[near[0]]}"?' if near else ""
        text = f'names the {one.trait} "{one.shown}", which nobody has{hint}'
        yield Found(subject.limit(one.limit), text, _at(subject, one))


def _nearly(subject: Subject) -> Iterator[Found]:
    mentions = list(_mentions(subject))
    for trait in _NAMED if mentions else ():
        if not _may_be_any(subject, trait):
            continue
        given, of_trait = _given(subject, trait), [one for one in mentions if one.trait == trait]
        counts = Counter(one.value for one in of_trait)
        shown = {one.value: one.shown for one in of_trait} | given
        beside = defaultdict[tuple[int, int | str], set[str]](set)
        for one in of_trait:
            beside[one.limit, one.path[0]].add(one.value)
        for one in of_trait if len(shown) <= _MOST else ():
            others = shown.keys() - beside[one.limit, one.path[0]] if one.value not in given else ()
            likelier = [name for name in others if name in given or counts[name] > counts[one.value]]
            if near := difflib.get_close_matches(one.value, sorted(likelier), 1):
                text = f'names the {trait} "{one.shown}": did you mean "{shown[near[0]]}"?'
                yield Found(subject.limit(one.limit), text, _at(subject, one))


def _several_upstreams(subject: Subject) -> Iterator[Found]:
    limits = subject.spec.rate_limits
    for index, limit in enumerate(limits):
        if limit.adaptive is not None:
            behind = {route.upstream for _, route in subject.routes if limit in holding(limits, route.name)}
            if len(behind) > 1:
                text = f"adapts to {len(behind)} upstreams at once: {', '.join(sorted(behind))}"
                yield Found(subject.limit(index), text, subject.at("rate_limits", index, "adaptive"))


def _short_lease(subject: Subject) -> Iterator[Found]:
    limits = subject.spec.rate_limits
    for index, limit in enumerate(limits):
        lease = limit.lease or LEASE_MS
        for position, route in subject.routes if limit.algorithm == "concurrency" else ():
            timeout = route.timeout if route.timeout is not None else subject.spec.upstreams[route.upstream].timeout
            if lease < timeout and limit in holding(limits, route.name):
                path: Path = ("lease",) if limit.lease is not None else ("limit",)
                said = (
                    subject.shown("rate_limits", index, "lease") if limit.lease is not None else write_duration(lease)
                )
                text = f"forgets a request after {said}, and {subject.route(position).quoted} may take longer"
                yield Found(subject.limit(index), text, subject.at("rate_limits", index, *path))
                break


RULES: tuple[Rule, ...] = (
    Rule(
        "GL033",
        "unknown-plan-or-role",
        "warning",
        "hygiene",
        0,
        "a limit names a plan or a role that nobody has",
        "A misspelt name changes nothing for those who were meant, and they are held to other numbers.",
        "Correct its spelling, or give it to somebody: a certificate, or the `map` of an issuer's `claims`.",
        _unknown,
    ),
    Rule(
        "GL034",
        "nearly-a-known-name",
        "info",
        "hygiene",
        0,
        "a limit names a plan or a role that is almost called like another",
        "Keys and tokens may carry any, so it may be right; misspelt, those who were meant have other numbers.",
        "Correct its spelling, or ignore this and name the limit.",
        _nearly,
    ),
    Rule(
        "GL035",
        "adapts-to-several",
        "warning",
        "reliability",
        0,
        "an adaptive limit is over several upstreams",
        "Its figures are of all of them together: one in trouble slows those that are well, or goes unnoticed.",
        "Write one limit for each upstream, and name its routes in `routes`.",
        _several_upstreams,
    ),
    Rule(
        "GL036",
        "lease-ends-first",
        "warning",
        "reliability",
        0,
        "a limit of requests at once forgets one that is still under way",
        "When its lease has ended another request takes its place, and more than the limit are under way.",
        "Make `lease` longer than the timeouts of its routes, or shorten these.",
        _short_lease,
    ),
)
