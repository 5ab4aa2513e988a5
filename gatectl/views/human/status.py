"""Who runs, and what each part obeys."""

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gatectl.rollout.certificates import WARN_DAYS

_KINDS = ("lds", "cds", "rds")
_STYLES = {"synced": "green", "ready": "green", "pending": "yellow", "stale": "red", "not ready": "red"}
_STEPS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_MIB = 1 << 20


def picture(data: dict[str, Any]) -> RenderableType:
    """All of it, as one thing that can be drawn over."""
    data = _printable(data)
    parts: list[RenderableType] = [*_head(data)]
    if data["nodes"]:
        parts += ["", _nodes(data["nodes"])]
    if data["services"]:
        parts += ["", _services(data["services"])]
    if data["redis"]:
        parts += ["", _redis(data["redis"])]
    notes = [*_notes(data)]
    return Group(*parts, *([""] if notes else []), *notes)


def _head(data: dict[str, Any]) -> Iterator[Text]:
    revision = data["revision"] or "nothing"
    runs = data["nodes"] or data["services"]
    text = _folded(data["gateway"] or "a gateway" if runs else "no gateway runs", "bold")
    text.append(f" in {data['state_dir']}: {revision} is in force", "not bold")
    yield text
    since = f"since {data['since']}, {data['action']} by {data['by']}" if data["since"] else ""
    before = f"before it {data['previous']}" if data["previous"] else ""
    if since or before:
        yield _folded("; ".join(filter(None, [since, before])), "dim")
    rollout = data["rollout"]
    if rollout:
        about = f"the {rollout['action']} of {rollout['revision']} by {rollout['by']}"
        state = "is under way" if rollout["state"] == "under way" else f"was interrupted: {revision} is in force"
        yield _folded(f"{about} {state}", "yellow")


def _nodes(nodes: list[dict[str, Any]]) -> Table:
    table = _table("NODE", "VERSION", *(kind.upper() for kind in _KINDS), "CERTS", "UPTIME")
    for node in nodes:
        kinds = [_kind(node["kinds"][kind]) if node["kinds"] else _state(node["state"]) for kind in _KINDS]
        table.add_row(
            node["name"], node["version"] or "-", *kinds, _expiry(node["certificates"]), _age(node["uptime_seconds"])
        )
    return table


def _services(services: list[dict[str, Any]]) -> Table:
    table = _table("SERVICE", "STATE", "REVISION", "WORKERS", "ADDRESS")
    for one in services:
        workers = f"{one['workers_up']} of {one['workers']}" if one["workers"] is not None else "-"
        table.add_row(one["name"], _state(one["state"]), one["revision"] or "-", workers, one["address"])
    return table


def _redis(redis: dict[str, Any]) -> Table:
    table = _table("REDIS", "STATE", "VERSION", "ROLE", "LATENCY", "MEMORY")
    latency = f"{redis['latency_ms']:.1f} ms" if redis["latency_ms"] is not None else "-"
    used, most = redis["memory_used"], redis["memory_max"]
    memory = "-" if used is None else f"{used / _MIB:.1f} MiB of " + (f"{most / _MIB:.1f} MiB" if most else "no limit")
    table.add_row(
        redis["address"], _state(redis["state"]), redis["version"] or "-", redis["role"] or "-", latency, memory
    )
    return table


def _notes(data: dict[str, Any]) -> Iterator[Text]:
    """What does not fit into a cell."""
    for node in data["nodes"]:
        if node["reason"]:
            where = f"{node['address']}: " if node["address"] != node["name"] else ""
            yield _note(node["name"], f"{where}{node['reason']}", "red")
        if node["live"] is False:
            yield _note(node["name"], "it starts up or drains: it is not live", "red")
        for name, kind in node["kinds"].items():
            if kind["reason"]:
                told = {"rejected": "rejected: ", "synced": ""}.get(kind["state"], "")
                yield _note(node["name"], f"{name} {told}{kind['reason']}", _STYLES.get(kind["state"], "red"))
        for one in node["certificates"]:
            if one["days"] < WARN_DAYS:
                what = "has expired" if one["days"] < 0 else f"expires in {one['days']} days"
                about = f"the {one['kind']} certificate {', '.join(one['names']) or one['serial']}"
                about += f" ({one['path']})" if one["path"] else ""
                yield _note(
                    node["name"], f"{about} {what}: {one['expires_at']}", "red" if one["days"] < 0 else "yellow"
                )
    for part in data["services"]:
        if part["reason"]:
            yield _note(part["name"], part["reason"], _STYLES.get(part["state"], "red"))
    if data["redis"] and data["redis"]["reason"]:
        yield _note("redis", data["redis"]["reason"], "red")


def _note(who: str, what: str, style: str) -> Text:
    return _folded("! ", style).append(f"{who}: {what}", "default")


def _folded(text: str, style: str) -> Text:
    """Goes on in the next line where the terminal ends: what is redrawn must not run over the edge."""
    return Text(text, style, no_wrap=False, overflow="fold")


def _printable(data: Any) -> Any:
    """What somebody else says, an Envoy or a certificate, must not steer the terminal."""
    if isinstance(data, dict):
        return {name: _printable(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_printable(value) for value in data]
    if isinstance(data, str):
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in data)
    return data


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _state(state: str) -> Text:
    return Text(state.upper(), _STYLES.get(state, "bold red"))


def _kind(kind: dict[str, Any]) -> Text:
    text = _state(kind["state"])
    return text.append(f" ({_age(kind['age_seconds'])})") if kind["state"] == "synced" else text


def _expiry(certificates: list[dict[str, Any]]) -> Text:
    """The soonest."""
    if not certificates:
        return Text("-")
    days = min(one["days"] for one in certificates)
    if days < 0:
        return Text("EXPIRED", "bold red")
    return Text(f"{days}d", "yellow" if days < WARN_DAYS else "")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return next((f"{int(seconds // size)}{unit}" for size, unit in _STEPS if seconds >= size), "0s")


def _status(out: Console, data: dict[str, Any]) -> None:
    out.print(picture(data))


SHOW: dict[str, Callable[[Console, Any], None]] = {"status": _status}
