"""Specs and running gateways."""

from collections.abc import Callable
from typing import Any

from rich.console import Console


def _validated(out: Console, data: dict[str, Any]) -> None:
    judge = "the Envoy API and by Envoy itself" if data["envoy"] else "the Envoy API (no Envoy binary was asked)"
    out.print(
        f"valid: {data['gateway']}, revision {data['revision']}: {data['routes']} routes, "
        f"{data['upstreams']} upstreams, {data['rate_limits']} rate limits; checked by {judge}"
    )
    for one in data["diagnostics"]:
        place = f"{one['file']}:{one['line']}:{one['column']}"
        out.print(
            f"{place}: {one['severity']}[{one['code']}] {one['message']} ({one['hint']})", style="yellow", markup=False
        )


def _reloaded(out: Console, data: dict[str, Any]) -> None:
    if data["changed"]:
        text = f"revision {data['revision']} is in force (was {data['previous']}), in {data['seconds']:.2f} s"
    else:
        text = f"revision {data['revision']} is in force already: nothing was changed"
    out.print(text, style="green")
    if data["restart_for_development"]:
        out.print("  `development` has changed: it is read when `gatectl dev` starts")


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


def _text(out: Console, data: str) -> None:
    out.file.write(data)
    out.file.flush()


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "validated": _validated,
    "reloaded": _reloaded,
    "ready": _ready,
    "rendered": _rendered,
    "initialised": _initialised,
    "version": _version,
    "stopped": _stopped,
    "text": _text,
}
