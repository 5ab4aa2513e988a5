"""For people: short sentences, tables, colours on a terminal only."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatectl.diagnostics import Diagnostic
from gatectl.views import colours


class HumanView:
    """Results on stdout, everything else on stderr."""

    def __init__(self) -> None:
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    def result(self, kind: str, data: Any) -> None:
        """Shown by what it is: each kind of result has its function below."""
        _SHOW[kind](self._out, data)

    def diagnostics(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        """One line each, in reading order; editors link ``file:line:column``."""
        for diagnostic in diagnostics:
            line = Text(f"{diagnostic.location}: " if diagnostic.location else "")
            style = "bold red" if diagnostic.severity == "error" else "yellow"
            line.append(f"{diagnostic.severity}[{diagnostic.code}]", style)
            line.append(f" {diagnostic.message}")
            if diagnostic.hint:
                line.append(f" ({diagnostic.hint})", "cyan")
            self._err.print(line)
        errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
        self._err.print(f"{errors} error{'s' if errors != 1 else ''}: see docs/errors.md", style="dim")

    def failure(self, message: str) -> None:
        """Why not."""
        self._err.print(Text("error: ", "bold red").append(message, "default"))

    def progress(self, message: str) -> None:
        """One line a step."""
        self._err.print(Text("  … ", "dim").append(message, "default"))


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if terminal else 1000,  # a pipe has no width: nothing is cut off
        no_color=not colours(terminal),
        force_terminal=terminal,
        highlight=False,
        soft_wrap=True,
        markup=False,
        emoji=False,
    )


def _validated(out: Console, data: dict[str, Any]) -> None:
    judge = "the Envoy API and by Envoy itself" if data["envoy"] else "the Envoy API (no Envoy binary was asked)"
    out.print(
        f"valid: {data['gateway']}, revision {data['revision']}: {data['routes']} routes, "
        f"{data['upstreams']} upstreams, {data['rate_limits']} rate limits; checked by {judge}"
    )


def _applied(out: Console, data: dict[str, Any]) -> None:
    if not data["changed"]:
        out.print(f"revision {data['revision']} is in force already: nothing was changed")
        return
    before = f" (was {data['previous']})" if data["previous"] else ""
    out.print(f"revision {data['revision']} is in force{before}", style="green")
    for name in data["proven"]:
        out.print(f"  ✓ {name}")
    if not data["proven"]:
        out.print("  nobody was asked: whoever starts on this state directory will read it")


def _status(out: Console, data: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("PART", "STATE", "REVISION", "ADDRESS", "DETAIL"):
        table.add_column(column)
    for part in data["parts"]:
        style = {"ok": "green", "synced": "green"}.get(part["state"], "red")
        state = Text(part["state"].upper(), style)
        table.add_row(part["part"], state, part["revision"] or "-", part["address"], part["detail"] or "")
    out.print(f"{data['gateway']} in {data['state_dir']}: revision {data['revision'] or 'none'}")
    if data["parts"]:
        out.print(table)


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


def _ready(out: Console, data: dict[str, Any]) -> None:
    out.print()
    out.print(f"  {data['gateway']} serves on {data['url']}", style="bold green")
    out.print(f"  revision {data['revision']}, state in {data['state_dir']}", style="dim")
    if data["keys"]:
        out.print("\n  demo credentials, made for this run:")
        for key in data["keys"]:
            out.print(f"    {key['user']:<10} {','.join(key['roles']) or '-':<10} {key['key']}")
    for request in data["requests"]:
        out.print(f"\n  {request['title']} → {request['expect']}", style="bold")
        out.print(f"  {request['curl']}")
    out.print(f"\n  {data['stop']}", style="dim")


def _rendered(out: Console, data: dict[str, Any]) -> None:
    out.print(f"revision {data['revision']} in {data['directory']}:")
    for name in data["files"]:
        out.print(f"  {name}")


def _initialised(out: Console, data: dict[str, Any]) -> None:
    out.print(f"{data['file']} is written; next: gatectl validate -f {data['file']}")


def _version(out: Console, data: dict[str, Any]) -> None:
    out.print(f"gatectl {data['gatectl']}, Envoy {data['envoy'] or 'not found'}")


def _stopped(out: Console, data: dict[str, Any]) -> None:
    out.print("stopped" if data["stopped"] else f"nothing was running in {data['state_dir']}")


def _token(out: Console, data: dict[str, Any]) -> None:
    out.print(data["token"])


def _text(out: Console, data: str) -> None:
    out.file.write(data)
    out.file.flush()


_SHOW: dict[str, Callable[[Console, Any], None]] = {
    "validated": _validated,
    "applied": _applied,
    "status": _status,
    "keys": _keys,
    "key-created": _key_created,
    "key-revoked": _key_revoked,
    "ready": _ready,
    "rendered": _rendered,
    "initialised": _initialised,
    "version": _version,
    "stopped": _stopped,
    "token": _token,
    "text": _text,
}
