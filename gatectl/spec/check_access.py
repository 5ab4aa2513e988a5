"""What types cannot say about roles, access rules, and which ways to prove who is calling a route takes."""

from collections.abc import Iterator

from gatectl.diagnostics import Diagnostic
from gatectl.spec.conditions import ConditionError, Scope, parse
from gatectl.spec.draft import Draft, Path
from gatectl.spec.model import AccessRule, Route
from gatectl.spec.names import known
from gatectl.spec.roles import covers
from gatectl.spec.tree import Node

_CONFIGURED_BY = {"api_key": "api_keys", "jwt": "jwt", "mtls": "certificates"}


def roles(draft: Draft) -> Iterator[Diagnostic]:
    """Roles that inherit what is not there, or themselves; names of roles that are not declared."""
    declared = {name: name for name in draft.keys("roles")}
    if not declared:
        return
    for name, role in draft.roles.items():
        for position, parent in enumerate(role.inherits):
            node = draft.tree.find(("roles", name, "inherits", position))
            yield from known(node.at, f'role "{name}"', "role", parent, declared, node.shown)
            if name in _ancestors(draft, parent):
                yield Diagnostic("GC0108", f'role "{name}" inherits itself', node.at, "roles inherit in one direction")
    for path in _role_lists(draft):
        for node in _items(draft, *path):
            if isinstance(node.value, str):
                yield from known(node.at, _owner(draft, path), "role", node.value, declared, node.shown)


def _ancestors(draft: Draft, name: str) -> set[str]:
    found, fresh = set[str](), {name}
    while fresh:
        found |= fresh
        fresh = {one for role in fresh if role in draft.roles for one in draft.roles[role].inherits} - found
    return found


def _role_lists(draft: Draft) -> Iterator[Path]:
    """Every list of roles, except in the roles themselves."""
    for index, _, position, _ in _rules(draft):
        yield "routes", index, "access", position, "roles"
    for index, _ in enumerate(_items(draft, "rate_limits")):
        yield "rate_limits", index, "when", "role"
        yield "rate_limits", index, "exempt", "role"
    for section in (
        ("authentication", "api_keys", "static"),
        ("authentication", "certificates"),
        ("development", "keys"),
    ):
        for index, _ in enumerate(_items(draft, *section)):
            yield *section, index, "roles"


def _owner(draft: Draft, path: Path) -> str:
    if path[0] == "routes":
        return route_title(draft, int(path[1]))
    if path[0] == "rate_limits":
        return f'rate limit "{draft.shown("rate_limits", path[1], "name")}"'
    names = {"static": ("static key", "id"), "certificates": ("the certificate of", "user")}
    kind, field = names.get(str(path[-3]), ("development key", "user"))
    return f'{kind} "{draft.shown(*path[:-1], field)}"'


def rules(draft: Draft) -> Iterator[Diagnostic]:
    """Rules that say nothing, permissions that nobody has, parts of the path that the route does not take."""
    held = [pattern for role in draft.roles.values() for pattern in role.permissions]
    names = {pattern: pattern for pattern in dict.fromkeys(held)}
    for index, route, position, rule in _rules(draft):
        path, who = ("routes", index, "access", position), route_title(draft, index)
        at = draft.tree.find(path).at
        if not rule.model_fields_set - {"effect", "enforce"}:
            allows = rule.effect != "deny"
            message = f"{who} has a rule that says nothing and would {'let in' if allows else 'keep out'} every caller"
            hint = "if that is meant, write `access: authenticated`" if allows else "say against whom or what it is"
            yield Diagnostic("GC0108", message, at, hint)
        if rule.roles is not None and rule.permissions is not None:
            message = f"{who} has a rule with roles and permissions"
            yield Diagnostic("GC0108", message, at, "say it by one of them, or write two rules")
        for place, permission in enumerate(rule.permissions or ()):
            if not any(covers(pattern, permission) for pattern in held):
                node = draft.tree.find((*path, "permissions", place))
                yield from known(node.at, who, "permission", permission, names, node.shown)
        if rule.path_template is not None:
            node = draft.tree.find((*path, "path_template"))
            if route.match.path_prefix is None:
                message = f"{who} has a rule with path_template, but its match has no path_prefix"
                yield Diagnostic("GC0108", message, node.at, "such a rule is for a part of what a path_prefix takes")
            elif not _below(rule.path_template, route.match.path_prefix):
                message = f'{who} has a rule for "{node.shown}", which its path_prefix does not take'
                yield Diagnostic("GC0108", message, node.at)
            if len(set(_variables(rule.path_template))) != len(_variables(rule.path_template)):
                yield Diagnostic("GC0104", f"{who} uses a path variable twice", node.at)


def _below(template: str, prefix: str) -> bool:
    segments, needed = template.split("/"), prefix.rstrip("/").split("/")
    return len(segments) >= len(needed) and all(
        one == two or one.startswith("{") for one, two in zip(segments, needed, strict=False)
    )


def _variables(template: str) -> list[str]:
    return [segment[1:-1] for segment in template.split("/") if segment.startswith("{")]


def conditions(draft: Draft) -> Iterator[Diagnostic]:
    """Every mistake in a condition, at the place of the word."""
    header = draft.at("authentication", "api_keys", "header")
    key_header = str(header.value).lower() if header is not None else "x-api-key"
    parameter = draft.at("authentication", "api_keys", "query")
    key_parameter = str(parameter.value) if parameter is not None else None
    declared = {name: (name,) for name in draft.keys("roles")} or None
    for index, route in draft.routes:
        who, template = route_title(draft, index), route.match.path_template or ""
        if len(set(_variables(template))) != len(_variables(template)):
            at = draft.tree.find(("routes", index, "match", "path_template")).at
            yield Diagnostic("GC0104", f"{who} uses a path variable twice", at)
    for index, route, position, rule in _rules(draft):
        if rule.where is None:
            continue
        who, node = route_title(draft, index), draft.tree.find(("routes", index, "access", position, "where"))
        if node.from_environment:
            message = f"{who} has a condition with an environment reference: a value must not become logic"
            yield Diagnostic("GC0111", message, node.at, "write the condition out")
            continue
        variables = dict.fromkeys(_variables(rule.path_template or route.match.path_template or ""))
        try:
            parse(rule.where, Scope(variables, declared, key_header, key_parameter))
        except ConditionError as error:
            for one in error.mistakes:
                yield Diagnostic(one.code, f"{who}: {one.message}", node.place(one.offset), one.hint)


def means(draft: Draft) -> Iterator[Diagnostic]:
    """Ways to prove who is calling that are not configured, or contradict the route that takes them."""
    gateway: Path = ("authentication",)
    for path in (gateway, *(("routes", index, "authentication") for index, _ in enumerate(_items(draft, "routes")))):
        given = [name for name in ("any", "all") if draft.at(*path, name) is not None]
        who = "authentication" if path == gateway else route_title(draft, int(path[1]))
        if draft.at(*path) is None:
            continue
        if len(given) > 1 or (path != gateway and not given):
            yield Diagnostic("GC0108", f"{who} needs exactly one of any, all", draft.tree.find(path).at)
        for name in given:
            nodes = _items(draft, *path, name)
            if len({str(node.value) for node in nodes}) != len(nodes):
                message = f"{who} names a way to authenticate twice"
                yield Diagnostic("GC0104", message, draft.tree.find((*path, name)).at)
            for node in nodes:
                section = _CONFIGURED_BY.get(str(node.value))
                if section is not None and not _is_configured(draft, section):
                    message = f"{who} takes {node.shown}, which is not configured"
                    yield Diagnostic("GC0108", message, node.at, f"add authentication.{section}")
        access = draft.at(*path[:2], "access") if path != gateway else None
        if access is not None and access.value == "public" and "all" in given:
            message = f"{who} is public and wants credentials together"
            yield Diagnostic("GC0108", message, draft.tree.find((*path, "all")).at, "write `any`, or rules")


def certificates(draft: Draft) -> Iterator[Diagnostic]:
    """Certificates that nobody asks for, or that no name tells apart."""
    path: Path = ("authentication", "certificates")
    section, listed = draft.at(*path), _items(draft, *path)
    if section is not None and listed and draft.at("listener", "tls", "client_ca") is None:
        message = "client certificates are listed, but the listener asks for none"
        yield Diagnostic("GC0108", message, section.key_at or section.at, "set listener.tls.client_ca")
    for node in listed:
        fields = node.value if isinstance(node.value, dict) else {}
        if ("uri" in fields) == ("dns" in fields):
            yield Diagnostic("GC0108", "a certificate needs exactly one of uri, dns", node.at)


def route_title(draft: Draft, index: int) -> str:
    """A route as messages call it."""
    return f'route "{draft.shown("routes", index, "name")}"'


def _rules(draft: Draft) -> Iterator[tuple[int, Route, int, AccessRule]]:
    """Every well-typed rule, with its route and their indices."""
    for index, route in draft.routes:
        for position, rule in enumerate(route.access if isinstance(route.access, tuple) else (route.access,)):
            if isinstance(rule, AccessRule):
                yield index, route, position, rule


def _is_configured(draft: Draft, section: str) -> bool:
    node = draft.at("authentication", section)
    return node is not None and (section == "api_keys" or bool(node.value))


def _items(draft: Draft, *path: int | str) -> list[Node]:
    """The entries of the list at a path; a rule that stands alone counts as a list of one."""
    node = draft.tree.find(path)
    return node.value if isinstance(node.value, list) and _leads_to(draft, path) else []


def _leads_to(draft: Draft, path: Path) -> bool:
    """Whether a path ends at a field of its own, not at something above it."""
    above = draft.tree.find(path[:-1])
    return isinstance(above.value, dict) and str(path[-1]) in above.value
