"""Overrides of limits, and whom limits refuse."""

from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _set(out: Console, data: list[dict[str, Any]]) -> None:
    for one in data:
        until = f" until {one['ends_at']}" if one["ends_at"] else ""
        out.print(f"{one['user']} has {one['rates']} of {one['limit']}{until}, within one second")


def _of_user(out: Console, data: dict[str, Any]) -> None:
    table = _table("LIMIT", "PER", "HOLDS", "LEFT", "FROM", "UNTIL", "COUNTED SINCE", "REASON")
    own = {one["limit"]: one for one in data["overrides"]}
    for held in data["limits"]:
        one = own.get(held["limit"], {}) if held["from"] == "override" else {}
        until, reason = one.get("ends_at") or "-", one.get("reason") or "-"
        others = (
            "".join(f"; {plan}: {rates}" for plan, rates in held["plans"].items()) if held["from"] == "limit" else ""
        )
        since = held["counted_since"] or "-"
        left = " ".join(map(str, held["left"])) if held["left"] is not None else "-"
        per, holds = ",".join(held["per"]), held["rates"] + others
        table.add_row(held["limit"], per, holds, left, held["from"], until, since, reason)
    out.print(table)
    if not data["limits"]:
        out.print("no limit counts by user")


def _overrides(out: Console, data: list[dict[str, Any]]) -> None:
    table = _table("USER", "LIMIT", "HOLDS", "UNTIL", "SET", "REASON")
    for one in data:
        until, reason = one["ends_at"] or "-", one["reason"] or "-"
        table.add_row(one["user"], one["limit"], one["rates"], until, one["set_at"], reason)
    out.print(table)
    if not data:
        out.print("nobody has an override: `gatectl limits set USER RATE --limit NAME` makes one")


def _reset(out: Console, data: dict[str, Any]) -> None:
    taken = ", ".join(data["overrides"]) or "none"
    out.print(f"overrides of {data['user']} taken away: {taken}")
    if data["counters"]:
        out.print(f"counters start over within one second: {', '.join(data['counters'])}")


def picture(data: list[dict[str, Any]]) -> RenderableType:
    """Who is being limited, as ``limits top --watch`` draws it."""
    if not data:
        return "nobody was refused"
    table = _table("LIMIT", "WHO", "REFUSED", "SINCE", "LAST")
    for one in data:
        who = " ".join(f"{name}={value}" for name, value in one["caller"].items())
        since, last = (one[field][11:16] for field in ("since", "last"))
        table.add_row(one["limit"], Text(who), str(one["refused"]), since, last)
    return table


def _refused(out: Console, data: list[dict[str, Any]]) -> None:
    out.print(picture(data))


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "limits-set": _set,
    "limits-of-user": _of_user,
    "overrides": _overrides,
    "limits-reset": _reset,
    "refused": _refused,
}
