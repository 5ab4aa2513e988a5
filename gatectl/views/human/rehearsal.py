"""What a rehearsal showed: the course of one request, or a table of tests."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 10
_MISS, _IDLE = ("✗", "red"), ("·", "dim")
_MARKS = {"granted": ("✓", "green"), "denied": _MISS, "not-tried": _IDLE}
_CHANGES = {"added": ("+", "green"), "changed": ("~", "yellow"), "kept": (" ", "dim")}


def _explained(out: Console, data: dict[str, Any]) -> None:
    request, decision = data["request"], data["decision"]
    out.print(f"{request['method']} {request['path']}", style="bold")
    _line(out, "client", f"{request['address']}, host {request['host']}{_credential(data)}")
    _route(out, data["route"], data["answer"])
    _access(out, data["access"], data["answer"])
    _limits(out, data["limits"], data["answer"])
    if data["overrides"] == "not-read":
        _unread(out, data["limits"] or [])
    _upstream(out, data["upstream"])
    _answer(out, data["answer"], "green" if decision == "allow" else "red")


def _line(out: Console, label: str, text: str, style: str = "") -> None:
    out.print(Text(f"  {label:<{_WIDTH}}", "dim").append(text, style or "default"))


def _below(out: Console, mark: tuple[str, str], text: str, place: str = "") -> None:
    line = Text(" " * (_WIDTH + 2)).append(f"{mark[0]} ", mark[1]).append(text, "default")
    out.print(line.append(f"  {place}", "dim") if place else line)


def _credential(data: dict[str, Any]) -> str:
    credential, certificate = data["credential"], data["certificate"]
    proof = f", certificate of {certificate}" if certificate else ""
    if credential is None:
        return proof or ", no credential"
    filled = f", {', '.join(credential['filled_in'])} filled in" if credential["filled_in"] else ""
    return f"{proof}, {credential['header']}: {credential['value']}{filled}"


def _route(out: Console, route: dict[str, Any] | None, answer: dict[str, Any]) -> None:
    if route is None:
        _line(out, "route", f"none: {answer['why']}", "red")
        return
    matched = "; ".join(f"{field} {text}" for field, text in route["matched"].items())
    variables = ", ".join(f"{name} = {value}" for name, value in route["variables"].items())
    _line(out, "route", f"{route['name']}  {route['place']}")
    _below(out, ("✓", "green"), f"{matched}{f' ({variables})' if variables else ''}")


def _access(out: Console, access: dict[str, Any] | None, answer: dict[str, Any]) -> None:
    if access is None:
        _line(out, "access", f"not asked: {answer['why']}")
        return
    verdict = "allowed" if access["allowed"] else "refused"
    kind = ", public route" if access["public"] else ""
    style = "green" if access["allowed"] else "red"
    _line(out, "access", f"{verdict} ({access['reason']}){kind}: {access['detail']}", style)
    who = access["caller"]
    if who is not None:
        parts = [f"user {who['user']}", f"roles {_words(who['roles'])}"]
        parts += [f"plan {who['plan']}"] if who["plan"] else []
        parts += [f"attributes {_words(who['attributes'])}"] if who["attributes"] else []
        _below(out, ("→", "dim"), f"{'; '.join(parts)}; known by {who['method']}")
    for rule in access["rules"]:
        mark = _MARKS.get(rule["finding"], _IDLE if rule["effect"] == "deny" else _MISS)
        shadow = "" if rule["enforced"] else " (not enforced)"
        _below(out, mark, f"rule {rule['rule']} {rule['why']}{shadow}", rule["place"])
    if access["shadow"] is not None:
        would = "allowed" if access["shadow"]["allowed"] else "refused"
        _below(out, ("→", "dim"), f"with the rules that are not enforced it would be {would}")
    if access["challenge"]:
        _below(out, ("→", "dim"), f"www-authenticate: {access['challenge']}")


def _words(value: Any) -> str:
    """A list, a mapping, or what stands for a hidden one."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items()) or "none"
    return value if isinstance(value, str) else ", ".join(value) or "none"


def _limits(out: Console, limits: list[dict[str, Any]] | None, answer: dict[str, Any]) -> None:
    if limits is None:
        _line(
            out,
            "limits",
            "not asked" + (f": {answer['why']}" if answer["by"] == "gateway" else ": none is on this route"),
        )
        return
    _line(out, "limits", f"{sum(limit['applies'] for limit in limits)} of {len(limits)} count this request")
    for limit in limits:
        mark = _MISS if limit["refused"] else ("✓", "green") if limit["applies"] else ("·", "dim")
        by = ", ".join(f"{dimension} {value}" for dimension, value in limit["counted_by"].items())
        by = f" by {by}" if by else ""
        left = f"; {limit['remaining']} left" if limit["remaining"] is not None else ""
        outcome = "refuses" if limit["refused"] else "has room" if limit["applies"] else limit["why"]
        if limit["applies"] and not limit["enforced"]:
            outcome = "only counts, and would refuse" if limit["over"] else "only counts"
        elif limit["applies"] and limit["cost"] == 0:
            outcome += ", and is charged for the response"
        elif limit["applies"] and limit["cost"] != 1:
            outcome += f" for {limit['cost']} hits"
        source = f" ({limit['from']})" if limit["from"] != "limit" else ""
        source += f", down to {limit['min_percent']}%" if limit["min_percent"] is not None else ""
        _below(out, mark, f"{limit['name']}: {limit['limit']}{source}{by}: {outcome}{left}", limit["place"])


def _unread(out: Console, limits: list[dict[str, Any]]) -> None:
    """The user may have other numbers where the gateway runs."""
    user = next((limit["counted_by"]["user"] for limit in limits if "user" in limit["counted_by"]), "-")
    if user != "-" and not user.startswith("address:"):
        name = user.removeprefix("user:") if user.startswith("user:") else "USER"
        _below(out, ("→", "dim"), f"overrides are not read: see `gatectl limits show {name}`, or give --overrides")


def _upstream(out: Console, upstream: dict[str, Any] | None) -> None:
    if upstream is None:
        return
    if not upstream["reached"]:
        _line(out, "upstream", f"{upstream['name']}, not reached")
        return
    retries = f"{upstream['retries']['attempts']} on {', '.join(upstream['retries']['on'])}"
    _line(out, "upstream", f"{upstream['name']}, timeout {upstream['timeout']}, retries {retries}  {upstream['place']}")
    _below(out, ("→", "dim"), f"{upstream['method']} {upstream['path']}")
    for header in upstream["headers"]:
        _below(out, _CHANGES[header["change"]], f"{header['name']}: {header['value']}")
    for name in upstream["removed"]:
        _below(out, ("-", "red"), name)


def _answer(out: Console, answer: dict[str, Any], style: str) -> None:
    status = "what the upstream answers" if answer["by"] == "upstream" else f"{answer['status']}: {answer['why']}"
    _line(out, "answer", status, style)
    if answer["problem"]:
        _below(out, ("→", "dim"), f"{answer['problem']}: {answer['detail']}")
    for header in answer["headers"]:
        _below(out, ("→", "dim"), f"{header['name']}: {header['value']}")


def _tested(out: Console, data: dict[str, Any]) -> None:
    for test in data["tests"]:
        mark = Text("✓ ", "green") if test["passed"] else Text("✗ ", "red")
        out.print(mark.append(test["name"], "default" if test["passed"] else "bold red"))
        for failure in test["failures"]:
            line = Text(f"    {failure['place']}: ", "dim").append(f"{failure['field']}: ", "default")
            line.append(f"expected {failure['expected']}, got {failure['got']}", "red")
            out.print(line)
    _coverage(out, data["coverage"])
    style = "green" if data["ok"] else "bold red"
    out.print(
        f"\n{data['passed']} passed, {data['failed']} failed; coverage {data['coverage']['percent']}%", style=style
    )


def _coverage(out: Console, coverage: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("COVERAGE", "", "TESTS", "", "PLACE"):
        table.add_column(column)
    rows = [("route", one["name"], one["hits"], f"{one['allowed']} allowed", one) for one in coverage["routes"]]
    rows += [
        ("rule", f"{one['route']}, rule {one['rule']}", one["decided"], "decided", one) for one in coverage["rules"]
    ]
    rows += [("limit", one["name"], one["counted"], f"{one['refused']} refused", one) for one in coverage["limits"]]
    for kind, name, number, more, one in rows:
        table.add_row(kind, name, Text(str(number), "default" if number else "bold red"), more, one["place"])
    out.print()
    out.print(table)


SHOW: dict[str, Callable[[Console, Any], None]] = {"explained": _explained, "tested": _tested}
