"""What a spec holds."""

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.table import Table


def _table(out: Console, columns: str, rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns.split():
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _routes(out: Console, data: list[dict[str, Any]]) -> None:
    rows = (
        (
            one["name"],
            _match(one["match"]),
            one["upstream"],
            _access(one["access"]),
            _words(one["limits"]),
            one["place"],
        )
        for one in data
    )
    _table(out, "NAME MATCH UPSTREAM ACCESS LIMITS PLACE", rows)


def _upstreams(out: Console, data: list[dict[str, Any]]) -> None:
    rows = (
        (
            one["name"],
            _words(one["endpoints"]),
            one["tls"],
            one["load_balancing"],
            _words(one["routes"]),
            one["place"],
        )
        for one in data
    )
    _table(out, "NAME ENDPOINTS TLS BALANCING ROUTES PLACE", rows)


def _limits(out: Console, data: list[dict[str, Any]]) -> None:
    rows = (
        (
            one["name"],
            _numbers(one) + _adapts(one["adaptive"]),
            "+".join(one["per"]),
            one["algorithm"],
            _words(one["routes"]),
            one["place"],
        )
        for one in data
    )
    _table(out, "NAME LIMIT PER ALGORITHM ROUTES PLACE", rows)


def _numbers(limit: dict[str, Any]) -> str:
    """What everybody may have, and who has one of the plans."""
    plans = (f"{plan}: {_allowed(allowed)}" for plan, allowed in limit["plans"].items())
    return "; ".join((_allowed(limit["limit"]), *plans))


def _allowed(limit: str | list[str]) -> str:
    return limit if isinstance(limit, str) else " and ".join(limit)


def _adapts(adaptive: dict[str, Any] | None) -> str:
    return f", down to {adaptive['min_percent']}%" if adaptive is not None else ""


def _issuers(out: Console, data: list[dict[str, Any]]) -> None:
    rows = (
        (one["name"], one["issuer"], _words(one["audiences"]), " ".join(map(str, one["jwks"])), one["place"])
        for one in data
    )
    _table(out, "NAME ISSUER AUDIENCES KEYS PLACE", rows)


def _words(words: Any) -> str:
    return ",".join(map(str, words)) if isinstance(words, list) and words else "-"


def _match(match: dict[str, Any]) -> str:
    """Methods, hosts and path in one line."""
    path = match.get("path") or match.get("path_template") or f"{match.get('path_prefix', '').rstrip('/')}/*"
    methods = _words(match["methods"]) + " " if match.get("methods") else ""
    hosts = _words(match["hosts"]) if match.get("hosts") else ""
    headers = "".join(f" [{name}]" for name in match.get("headers", {}))
    return f"{methods}{hosts}{path}{headers}"


def _access(access: Any) -> str:
    """One rule after the other: methods, roles, conditions."""
    if isinstance(access, str):
        return access
    return "; ".join(map(_rule, access if isinstance(access, list) else [access]))


def _rule(rule: dict[str, Any]) -> str:
    methods = _words(rule["methods"]) if "methods" in rule else "any"
    who = (
        _words(rule.get("roles") or rule["permissions"]) if rule.keys() & {"roles", "permissions"} else "authenticated"
    )
    path = f" on {rule['path_template']}" if "path_template" in rule else ""
    where = f" where {rule['where']}" if "where" in rule else ""
    effect = "deny " if rule.get("effect") == "deny" else ""
    shadow = "" if rule.get("enforce", True) else " (not enforced)"
    return f"{effect}{methods}: {who}{path}{where}{shadow}"


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "routes": _routes,
    "upstreams": _upstreams,
    "limits": _limits,
    "issuers": _issuers,
}
