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


def _revocations(out: Console, data: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("ID", "TOKENS", "REVOKED", "KEPT UNTIL", "REASON"):
        table.add_column(column)
    for one in data:
        table.add_row(one["id"], _tokens(one), one["revoked_at"], one["expires_at"], one["reason"] or "-")
    out.print(table)
    if not data:
        out.print("no token is revoked")


def _tokens(one: dict[str, Any]) -> str:
    """Which tokens a revocation hits."""
    whose = f" of {one['user']}" if one["user"] is not None else ""
    which = f"jti {one['jti']}" if one["jti"] is not None else f"all{whose} until {one['issued_before']}"
    return which + (f" from {one['issuer']}" if one["issuer"] is not None else "")


def _tokens_revoked(out: Console, data: dict[str, Any]) -> None:
    out.print(f"revoked: {_tokens(data)}; they stop working within one second")
    out.print(f"`gatectl tokens reinstate {data['id']}` takes it back")


def _tokens_reinstated(out: Console, data: dict[str, Any]) -> None:
    out.print(f"revocation {data['id']} is taken back; what it hit works again within one second")


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "keys": _keys,
    "key-created": _key_created,
    "key-revoked": _key_revoked,
    "token": _token,
    "revocations": _revocations,
    "tokens-revoked": _tokens_revoked,
    "tokens-reinstated": _tokens_reinstated,
}
