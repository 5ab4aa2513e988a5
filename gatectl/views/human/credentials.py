"""API keys and tokens."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table


def _keys(out: Console, data: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("ID", "USER", "ROLES", "PLAN", "CREATED", "STATE"):
        table.add_column(column)
    for key in data:
        table.add_row(
            key["id"], key["user"], ",".join(key["roles"]), key["plan"] or "-", key["created_at"], key["state"]
        )
    out.print(table)
    if not data:
        out.print("no keys: `gatectl keys create USER --role ROLE` makes one")


def _key_created(out: Console, data: dict[str, Any]) -> None:
    out.print(data["key"])
    Console(file=sys.stderr, highlight=False, markup=False, no_color=True, soft_wrap=True).print(
        f"key {data['id']} for {data['user']} ({', '.join(data['roles']) or 'no roles'}); "
        "it is shown this once: only its hash is kept"
    )


def _key_revoked(out: Console, data: dict[str, Any]) -> None:
    out.print(f"key {data['id']} of {data['user']} is revoked; it stops working within one second")


def _token(out: Console, data: dict[str, Any]) -> None:
    out.print(data["token"])


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "keys": _keys,
    "key-created": _key_created,
    "key-revoked": _key_revoked,
    "token": _token,
}
