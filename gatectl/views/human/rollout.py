"""Plans, rollouts and what came of them."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gatectl.changes.words import cut, lines
from gatectl.diagnostics import printable
from gatectl.rollout.converge import Event
from gatectl.rollout.plan import UNKNOWN, Plan

MOST_LINES = 40
"""Of one level of a plan; ``-o json`` has all."""
_STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold red"}
_PARTS = ("policy", "cds", "lds", "rds")


class Board:
    """A table on the terminal: a row for each target, filled as it takes over."""

    def __init__(self, console: Console, targets: Sequence[str]) -> None:
        self._rows: dict[str, dict[str, str]] = {target: {} for target in targets}
        self._step = ""
        self._live = Live(self._table(), console=console, refresh_per_second=10, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def show(self, event: Event) -> None:
        """Draw one event."""
        if event.target in self._rows and event.part is not None:
            self._rows[event.target][event.part] = event.message
        else:
            self._step = str(event)
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table(title=self._step, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for column in ("TARGET", *(part.upper() for part in _PARTS)):
            table.add_column(column)
        for target, parts in self._rows.items():
            cells = (Text(f"✓ {parts[part]}", "green") if part in parts else Text("…", "dim") for part in _PARTS)
            own = {"policy"} if target in {"ext_authz", "ratelimit_svc"} else {"cds", "lds", "rds"}
            table.add_row(target, *(cell if part in own else "" for part, cell in zip(_PARTS, cells, strict=True)))
        return table


def _planned(out: Console, data: dict[str, Any]) -> None:
    plan = Plan.model_validate({name: data[name] for name in Plan.model_fields})
    name = cut(plan.gateway)
    out.print(f"{name}: {plan.base or 'nothing'} → {plan.revision}" if plan.changed else name)
    if plan.interrupted:
        state = f"{plan.base or 'nothing'} is in force"
        out.print(f"\nthe rollout of {plan.interrupted} was interrupted: {state}", style="yellow")
    if plan.changes is None:
        out.print(f"\n  {UNKNOWN}")
    _level(out, None, [line for change in plan.changes or () for line in lines(change)])
    _level(out, "What that changes in Envoy and the services", [one for each in plan.resources for one in lines(each)])
    _level(out, "Drift", [("!", f"{one.part}: {one.message}") for one in plan.drift])
    _level(out, "Warnings", [("!", f"{one.kind} {one.object}: {one.message}") for one in plan.effects])
    if plan.changed:
        summary = plan.summary
        out.print(
            f"\nPlan: {summary['add']} to add, {summary['change']} to change, {summary['delete']} to destroy.",
            style="bold",
        )
    elif not plan.drift:
        out.print(f"No changes: revision {plan.revision} is in force.")


def _level(out: Console, title: str | None, found: list[tuple[str, str]]) -> None:
    if not found:
        return
    out.print(f"\n{title}:" if title else "")
    for sign, text in found[:MOST_LINES]:
        out.print(Text(f"  {sign} ", _STYLES[sign]).append(printable(text), "default"))
    if len(found) > MOST_LINES:
        out.print(f"  … and {len(found) - MOST_LINES} more lines: -o json has all of them", style="dim")


def _applied(out: Console, data: dict[str, Any]) -> None:
    if not data["changed"]:
        out.print(f"revision {data['revision']} is in force already: nothing was changed")
        return
    before = f" (was {data['previous']})" if data["previous"] else ""
    out.print(f"revision {data['revision']} is in force{before}, after {data['seconds']:.1f} s", style="green")
    for name in data["proven"]:
        out.print(f"  ✓ {name}")
    if not data["proven"]:
        out.print("  nobody was asked: whoever starts on this state directory will read it")


def _history(out: Console, data: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("REVISION", "WHEN", "WHO", "WHAT", "OUTCOME", "WAS", "FROM", "WHY"):
        table.add_column(column)
    for entry in reversed(data["entries"]):
        style = "green" if entry["outcome"] == "applied" else "red"
        here = "→ " if entry["revision"] == data["current"] else "  "
        table.add_row(
            printable(f"{here}{entry['revision']}"),
            printable(entry["at"]),
            printable(entry["by"]),
            entry["action"],
            Text(entry["outcome"], style),
            printable(entry["previous"] or "-"),
            printable(", ".join(entry["files"])) or "-",
            printable(entry["message"] or ""),
        )
    out.print(table)
    if data["interrupted"]:
        state = f"{data['current'] or 'nothing'} is in force"
        out.print(f"the rollout of {data['interrupted']} was interrupted: {state}", style="yellow")


def _drifted(out: Console, data: dict[str, Any]) -> None:
    if not data["drift"]:
        out.print(f"no drift: everything obeys {data['revision'] or 'nothing'}")
    for one in data["drift"]:
        text = f"{one['kind']}: {printable(one['message'])}"
        out.print(Text(f"  ! {printable(one['part'])}: ", "bold red").append(text, "default"))


def _bootstrapped(out: Console, data: dict[str, Any]) -> None:
    out.print(f"{data['file']} is written; in {data['directory']}: envoy -c {data['name']}")


SHOW: dict[str, Callable[[Console, Any], None]] = {
    "planned": _planned,
    "applied": _applied,
    "history": _history,
    "drift": _drifted,
    "bootstrapped": _bootstrapped,
}
