"""The spec's own objects: what was added, changed, deleted or moved, field by field."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gatectl.changes.order import moved
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
    """One object. ``fields`` maps a dotted path to its value as it is written, and to the same with the fingerprint of
    each secret in it: that one is compared, and shown when the words alone do not tell what changed.
    """

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
    turns = _moved([name for kind, name in old if kind == "route"], [name for kind, name in new if kind == "route"])
    changes: list[Change] = []
    for key, one in new.items():
        if key not in old:
            if one.place is not None:  # a section that nobody wrote is all defaults
                changes.append(Change("add", *key, one.place))
            continue
        fields = [*_fields(old[key], one)]
        if one.kind == "route" and one.name in turns:
            fields.append(FieldChange("order", *turns[one.name]))
        if fields:
            changes.append(Change("change", *key, one.place, tuple(fields)))
    changes += [Change("delete", *key, one.place) for key, one in old.items() if key not in new]
    return tuple(changes)


def objects(record: Record) -> Iterator[SpecObject]:
    """Every object of a spec that reaches Envoy or a service."""
    sections = {name: one for name, one in record.effective.items() if step("", name) not in ELSEWHERE}
    scalars = {name: one for name, one in sections.items() if not isinstance(one, dict | list)}
    yield SpecObject("gateway", "", None, _flat(record, scalars, ""))
    for name in [one for one in sections if one not in scalars]:
        yield from _objects(record, name, sections[name], step("", name))


def _objects(record: Record, name: str, section: Any, pointer: str) -> Iterator[SpecObject]:
    if pointer in LISTS:
        kind, name_field = LISTS[pointer]
        for key, value in section.items() if isinstance(section, dict) else enumerate(section):
            at, inside = step(pointer, key), dict(value)
            title = inside.pop(name_field) if name_field else key
            fields = _flat(record, inside, at)
            if name_field and step(at, name_field) in record.secrets:
                fields[name_field] = _leaf(record, title, step(at, name_field))
            yield SpecObject(kind, str(title), record.places.get(at), fields)
        return
    own = {}
    for key, value in section.items():
        below = step(pointer, key)
        if any(known == below or known.startswith(f"{below}/") for known in LISTS):
            yield from _objects(record, key, value or {}, below)
        else:
            own[key] = value
    fields = _flat(record, own, pointer)
    if fields:
        yield SpecObject(name.replace("_", " "), "", record.places.get(pointer), fields)


def _flat(record: Record, value: Any, pointer: str) -> dict[str, tuple[Any, Any]]:
    """The fields of a mapping, and of the mappings in it, by dotted path; those that hold nothing are left out."""
    found: dict[str, tuple[Any, Any]] = {}

    def note(mapping: dict[str, Any], pointer: str, path: str) -> None:
        for name, child in mapping.items():
            if child is None:
                continue
            below, field = step(pointer, name), f'{path}"{name}"' if "." in name else f"{path}{name}"
            if isinstance(child, dict):
                note(child, below, f"{field}.")
            elif isinstance(child, list):  # one entry, one line: an access rule is read as a whole
                parts = [_entry(record, entry, step(below, index)) for index, entry in enumerate(child)]
                found[field] = [shown for shown, _ in parts], [exact for _, exact in parts]
            else:
                found[field] = _leaf(record, child, below)

    note(value, pointer, "")
    return found


def _leaf(record: Record, value: Any, pointer: str) -> tuple[Any, Any]:
    mark = record.secrets.get(pointer)
    return value, f"{value} (secret {mark})" if mark else value


def _entry(record: Record, entry: Any, pointer: str) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return _leaf(record, entry, pointer)
    flat = _flat(record, entry, pointer)
    shown, exact = (", ".join(f"{name}: {_inline(values[which])}" for name, values in flat.items()) for which in (0, 1))
    return f"{{{shown}}}", f"{{{exact}}}"


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _fields(old: SpecObject, new: SpecObject) -> Iterator[FieldChange]:
    absent = (None, None)
    for name in dict.fromkeys((*old.fields, *new.fields)):
        (before, was), (after, now) = old.fields.get(name, absent), new.fields.get(name, absent)
        if was != now:
            yield FieldChange(name, was, now) if before == after else FieldChange(name, before, after)


def _moved(old: list[str], new: list[str]) -> dict[str, tuple[str, str]]:
    """Routes that changed their turn among those that stay: the first match wins, so the order has a meaning."""
    there, here = set(old), set(new)
    before, after = [name for name in old if name in here], [name for name in new if name in there]
    place, count = {name: index for index, name in enumerate(before)}, len(after)
    gone = moved(before, after)
    return {
        name: (f"{place[name] + 1} of {count}", f"{i + 1} of {count}") for i, name in enumerate(after) if name in gone
    }
