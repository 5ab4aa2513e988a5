"""API keys and tokens."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table


def _keys(out: Console, data: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("ID", "USER", "ROLES", "PLAN", "OWNER", "EXPIRES", "LAST USED", "STATE"):
        table.add_column(column)
    for key in data:
        roles, plan, owner = ",".join(key["roles"]) or "-", key["plan"] or "-", key["owner"] or "-"
        expires, used = _day(key["expires_at"]), _day(key["last_used_at"])
        table.add_row(key["id"], key["user"], roles, plan, owner, expires, used, key["state"])
    out.print(table)
    if not data:
        out.print("no keys: `gatectl keys create USER --role ROLE` makes one")


def _key(out: Console, data: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    stored = data["hash"]
    peppered = f" with the pepper {stored['pepper']}" if stored["pepper"] else ""
    told = {
        **data,
        "roles": ", ".join(data["roles"]),
        "networks": ", ".join(data["networks"]),
        "hash": stored["scheme"] + peppered,
        **{field: ", ".join(f"{k}={v}" for k, v in data[field].items()) for field in ("attributes", "labels")},
    }
    for field in ("id", "state", *told):
        if field in told:
            table.add_row(field.replace("_", " "), told.pop(field) or "-")
    out.print(table)


def _key_created(out: Console, data: dict[str, Any]) -> None:
    out.print(data["key"])
    _aside(
        f"key {data['id']} for {data['user']} ({', '.join(data['roles']) or 'no roles'}); "
        "it is shown this once: only its hash is kept"
    )


def _key_rotated(out: Console, data: dict[str, Any]) -> None:
    out.print(data["key"])
    old = data["old"]
    _aside(
        f"key {data['id']} for {data['user']} replaces {old['id']}, which works until {old['expires_at']}; "
        "it is shown this once: only its hash is kept"
    )


def _key_revoked(out: Console, data: dict[str, Any]) -> None:
    out.print(f"key {data['id']} of {data['user']} is revoked; it stops working within one second")


def _key_expires(out: Console, data: dict[str, Any]) -> None:
    when = f"expires at {data['expires_at']}" if data["expires_at"] else "never expires"
    out.print(f"key {data['id']} of {data['user']} {when}; it is {data['state']} now")


def _keys_exported(out: Console, data: dict[str, Any]) -> None:
    out.print(f"{data['keys']} keys are in {data['file']}: hashes only, and nobody but you can read it")


def _keys_imported(out: Console, data: dict[str, Any]) -> None:
    would = "would be " if data["dry_run"] else ""
    out.print(
        f"{len(data['created'])} keys {would}created, {len(data['replaced'])} {would}replaced, "
        f"{len(data['unchanged'])} are there already"
    )
    if data["kept"]:
        out.print(f"{len(data['kept'])} differ from what is there, which stays: {', '.join(data['kept'])}")


def _day(moment: str | None) -> str:
    return moment.replace("T", " ")[:16] if moment else "-"


def _aside(text: str) -> None:
    Console(file=sys.stderr, highlight=False, markup=False, no_color=True, soft_wrap=True).print(text)


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
    "key": _key,
    "key-created": _key_created,
    "key-rotated": _key_rotated,
    "key-revoked": _key_revoked,
    "key-expires": _key_expires,
    "keys-exported": _keys_exported,
    "keys-imported": _keys_imported,
    "token": _token,
    "revocations": _revocations,
    "tokens-revoked": _tokens_revoked,
    "tokens-reinstated": _tokens_reinstated,
}
