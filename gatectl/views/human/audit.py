"""The audit trail, and whether it is whole."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatectl.diagnostics import printable

_ALWAYS = {"seq", "time", "writer", "event", "prev", "hash"}


def _event(out: Console, data: dict[str, Any]) -> None:
    """One line: they come one by one, and nobody knows how many."""
    told = " ".join(f"{name}={_word(value)}" for name, value in data.items() if name not in _ALWAYS and value)
    event = str(data["event"])
    style = {"request.refused": "yellow"}.get(event, "bold red" if event.startswith("trail.") else "green")
    line = Text(f"{printable(str(data['time'])):29}  ", "dim").append(f"{printable(event):16}", style)
    out.print(line.append(f"  {printable(told)}", "default"))


def _word(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f'"{text}"' if " " in text or not text else text


def _verified(out: Console, data: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("CHAIN", "STATE", "LINES", "FROM", "TO", "HEAD"):
        table.add_column(column)
    for chain in data["chains"]:
        table.add_row(
            printable(chain["writer"]),
            Text("whole", "green") if chain["whole"] else Text("broken", "bold red"),
            str(chain["lines"]),
            _end(chain["first"]),
            _end(chain["last"]),
            chain["head"] or "-",
        )
    out.print(table)
    for chain in data["chains"]:
        for one in chain["breaks"]:
            out.print(
                Text(f"{one['place']}: ").append(one["kind"], "bold red").append(f": {printable(one['message'])}")
            )
        if chain["more"]:
            out.print(f"{chain['writer']}: and {chain['more']} more breaks")
    for digest in data["missing"]:
        out.print(Text(f"{digest}: ").append("removed", "bold red").append(": no chain has a line with this hash"))


def _end(end: dict[str, Any] | None) -> str:
    return printable(f"{end['time']} (line {end['seq']})") if end else "-"


SHOW: dict[str, Callable[[Console, Any], None]] = {"audit-event": _event, "audit-verified": _verified}
