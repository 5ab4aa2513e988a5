"""What holds for every pair of specs: no change is told of equal ones, and each of others; going back is the mirror."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.changes.objects import diff
from gatectl.changes.order import moved
from gatectl.diagnostics import SpecError
from gatectl.spec.record import Record
from tests.gatectl.changing import Side, of_resources, of_spec, side
from tests.gatectl.test_mutations import EVERYTHING, EXAMPLE, transplanted
from tests.gatectl.test_objects import BASE


def specs(directory: Path) -> Iterator[Side]:
    yield side(directory, EXAMPLE)
    yield side(directory, EVERYTHING)
    yield side(directory, BASE)


def mirrored(lines: list[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    back = {"add": "delete", "delete": "add", "change": "change"}
    return {(back[action], *rest) for action, *rest in lines}


def outlines(before: Record, after: Record) -> list[tuple[Any, ...]]:
    """Without the order: of two routes that swapped their turns, either one may be called moved."""
    told = [
        (one.action, one.kind, one.name, tuple(sorted(field.field for field in one.fields if field.field != "order")))
        for one in diff(before, after)
    ]
    return [one for one in told if one[0] != "change" or one[3]]


def test_going_back_is_the_mirror_of_going_there(tmp_path: Path) -> None:
    for before, after in itertools.permutations(specs(tmp_path), 2):
        there, back = (outlines(one.record, two.record) for one, two in ((before, after), (after, before)))
        assert {one for one in there if one[1] != "cors"}  # they differ at all
        assert mirrored(there) == set(back)


@settings(max_examples=30)
@given(content=transplanted())
def test_an_edit_that_changes_the_revision_is_told_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    directory = tmp_path_factory.getbasetemp()
    try:
        now = side(directory, content)
    except SpecError:
        return
    for text in (EXAMPLE, EVERYTHING):
        was = side(directory, text)
        told = of_spec(was, now) + of_resources(was, now)
        assert bool(told) or was.bundle.revision == now.bundle.revision
        assert bool(of_resources(was, now)) == (was.bundle.revision != now.bundle.revision)
    assert of_spec(now, now) == of_resources(now, now) == []


@settings(max_examples=30)
@given(content=transplanted())
def test_no_change_is_said_exactly_of_equal_specs(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    directory = tmp_path_factory.getbasetemp()
    try:
        now = side(directory, content).record
    except SpecError:
        return
    for text in (EXAMPLE, EVERYTHING):
        was = side(directory, text).record
        assert (diff(was, now) == ()) == (meaning(was) == meaning(now))
        assert set(outlines(now, was)) == mirrored(outlines(was, now))


def meaning(record: Record) -> dict[str, Any]:
    """A spec without what nobody sees, and without the order of what is found by its name."""
    effective = {key: value for key, value in record.effective.items() if key not in {"version", "development"}}
    effective["rate_limits"] = {one["name"]: one for one in effective["rate_limits"]}
    authentication = dict(effective["authentication"])
    authentication["jwt"] = {one["name"]: one for one in authentication["jwt"]}
    keys = authentication["api_keys"]
    authentication["api_keys"] = keys and {**keys, "static": {one["id"]: one for one in keys["static"]}}
    return {**effective, "authentication": authentication}


@given(names=st.permutations(range(9)))
def test_no_smaller_set_of_moves_explains_an_order(names: list[int]) -> None:
    before, after = [str(one) for one in range(9)], [str(one) for one in names]
    gone = moved(before, after)
    rest = [one for one in after if one not in gone]
    assert rest == sorted(rest)
    longest = max(
        len(kept) for size in range(10) for kept in itertools.combinations(names, size) if list(kept) == sorted(kept)
    )
    assert len(gone) == 9 - longest
