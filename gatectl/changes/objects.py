"""The spec's own objects: what was added, changed, deleted or moved, field by field."""

import bisect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gatectl.spec.record import Record, step

Action = Literal["add", "change", "delete"]
LISTS = {
    "/upstreams": ("upstream", None),
    "/routes": ("route", "name"),
    "/rate_limits": ("rate limit", "name"),
    "/authentication/jwt": ("issuer", "name"),
    "/authentication/api_keys/static": ("static key", "id"),
}
"""Where named objects stand: what one is called, and the field that holds its name (None: it is the key). Every other
section of the spec is one object under its own name."""
ELSEWHERE = {"/version", "/development"}
"""Neither Envoy nor the services ever see these."""


@dataclass(frozen=True)
class SpecObject:
    """One object. ``fields`` maps a dotted path to what is shown and what is compared (they differ for secrets)."""

    kind: str
    name: str
    place: str | None
    fields: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class FieldChange:
    """One field; ``None`` stands for "not there". Values are in the notation of the spec."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What happens to one object. ``fields`` is empty for one that is added or deleted."""

    action: Action
    kind: str
    name: str
    place: str | None
    """``file:line:column`` in the new spec; in the old one for what is deleted."""
    fields: tuple[FieldChange, ...] = ()

    @property
    def title(self) -> str:
        """``route "orders"``; a section is just its name."""
        return f'{self.kind} "{self.name}"' if self.name else self.kind


def diff(before: Record | None, after: Record) -> tuple[Change, ...]:
    """The changes that lead from one spec to the other, in the order of the language."""
    old = {(one.kind, one.name): one for one in objects(before)} if before else {}
    new = {(one.kind, one.name): one for one in objects(after)}
    moved = _moved([name for kind, name in old if kind == "route"], [name for kind, name in new if kind == "route"])
    changes: list[Change] = []
    for key, one in new.items():
        if key not in old:
            if one.place is not None:  # a section that nobody wrote is all defaults
                changes.append(Change("add", *key, one.place))
            continue
        fields = [*_fields(old[key], one)]
        if one.kind == "route" and one.name in moved:
            fields.append(FieldChange("order", *moved[one.name]))
        if fields:
            changes.append(Change("change", *key, one.place, tuple(fields)))
    changes += [Change("delete", *key, one.place) for key, one in old.items() if key not in new]
    return tuple(changes)


def objects(record: Record) -> Iterator[SpecObject]:
    """Every object of a spec that reaches Envoy or a service."""
    sections = {name: one for name, one in record.effective.items() if step("", name) not in ELSEWHERE}
    scalars = {name: one for name, one in sections.items() if not isinstance(one, dict | list)}
    yield SpecObject("gateway", "", None, dict(_flat(record, scalars, "", "")))
    for name in [one for one in sections if one not in scalars]:
        yield from _objects(record, name, sections[name], step("", name))


def _objects(record: Record, name: str, section: Any, pointer: str) -> Iterator[SpecObject]:
    if pointer in LISTS:
        kind, name_field = LISTS[pointer]
        for key, value in section.items() if isinstance(section, dict) else enumerate(section):
            at, inside = step(pointer, key), dict(value)
            title = inside.pop(name_field) if name_field else key
            fields = dict(_flat(record, inside, at, ""))
            if name_field and step(at, name_field) in record.secrets:
                fields[name_field] = title, record.secrets[step(at, name_field)]
            yield SpecObject(kind, str(title), record.places.get(at), fields)
        return
    own = {}
    for key, value in section.items():
        below = step(pointer, key)
        if any(known == below or known.startswith(f"{below}/") for known in LISTS):
            yield from _objects(record, key, value or {}, below)
        else:
            own[key] = value
    fields = dict(_flat(record, own, pointer, ""))
    if fields:
        yield SpecObject(name.replace("_", " "), "", record.places.get(pointer), fields)


def _flat(record: Record, value: Any, pointer: str, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _flat(record, child, step(pointer, name), f"{path}.{name}" if path else name)
        return
    if value is None or value == []:
        return
    if isinstance(value, list):  # one entry, one line: an access rule is read as a whole
        parts = [_entry(record, entry, step(pointer, index)) for index, entry in enumerate(value)]
        yield path, ([shown for shown, _ in parts], [compared for _, compared in parts])
        return
    yield path, (value, record.secrets.get(pointer, value))


def _entry(record: Record, entry: Any, pointer: str) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return entry, record.secrets.get(pointer, entry)
    flat = dict(_flat(record, entry, pointer, ""))
    shown = ", ".join(f"{name}: {_inline(value)}" for name, (value, _) in flat.items())
    return f"{{{shown}}}", [[name, compared] for name, (_, compared) in flat.items()]


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _fields(old: SpecObject, new: SpecObject) -> Iterator[FieldChange]:
    absent = (None, None)
    for name in dict.fromkeys((*old.fields, *new.fields)):
        (before, was), (after, now) = old.fields.get(name, absent), new.fields.get(name, absent)
        if was == now:
            continue
        if before == after:  # the same words, another secret behind them
            before, after = _with_fingerprint(before, was), _with_fingerprint(after, now)
        yield FieldChange(name, before, after)


def _with_fingerprint(shown: Any, compared: Any) -> Any:
    if isinstance(shown, list):
        pairs = zip(shown, compared, strict=True)
        return [one if one == two else _with_fingerprint(one, two) for one, two in pairs]
    mark = compared[:8] if isinstance(compared, str) else "changed"
    return f"{shown} (secret {mark})"


def _moved(old: list[str], new: list[str]) -> dict[str, tuple[str, str]]:
    """Routes that changed their place among those that stay; the first match wins, so the order has a meaning."""
    stay, remain = [name for name in old if name in set(new)], [name for name in new if name in set(old)]
    if stay == remain:
        return {}
    place = {name: index for index, name in enumerate(stay)}
    kept = _longest_increasing([place[name] for name in remain])
    count = len(remain)
    return {
        name: (f"{place[name] + 1} of {count}", f"{index + 1} of {count}")
        for index, name in enumerate(remain)
        if place[name] not in kept
    }


def _longest_increasing(numbers: list[int]) -> set[int]:
    """The members of one longest increasing subsequence: what need not be called moved."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        at = bisect.bisect_left(tails, number)
        before[number] = tails[at - 1] if at else None
        tails[at : at + 1] = [number]
    kept: set[int] = set()
    last = tails[-1] if tails else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return kept
