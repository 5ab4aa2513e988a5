"""With 2000 routes, what a plan computes takes no time that anybody would notice."""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatectl.changes import effects, objects, resources
from gatectl.spec.load import load
from gatectl.spec.record import record
from tests.gatectl.changing import KEY, Edit, Side, side
from tests.gatectl.specs import MINIMAL

ROUTES = [
    {
        "name": f"r{n}",
        "match": {"path_prefix": f"/api/v1/{n}"},
        "upstream": "u",
        "access": [{"methods": ["GET"], "roles": [f"a{n % 7}"]}, {"roles": ["admin"]}],
    }
    for n in range(2000)
]
SPEC: dict[str, Any] = MINIMAL | {"routes": ROUTES}
LONGEST = 1.0
"""Seconds of processor time, for each of record, diff and effects."""


def seconds(work: Callable[[], Any]) -> float:
    """Of processor time, because others share the machine; the best of three, when the first was slow."""
    best = LONGEST
    for _ in range(3):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
        if best < LONGEST:
            break
    return best


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Side:
    return side(tmp_path_factory.mktemp("before"), SPEC)


def test_a_record_is_made_in_no_time(tmp_path: Path, before: Side) -> None:
    spec, tree = load([str(tmp_path.parent / "before0" / "gateway.yaml")], {})
    assert seconds(lambda: record(spec, tree, [], KEY)) < LONGEST


def everything_renamed(spec: dict[str, Any]) -> None:
    for one in spec["routes"]:
        one["name"] = f"x{one['name']}"


EDITS: dict[str, Edit] = {
    "all in another order": lambda spec: spec["routes"].reverse(),
    "all renamed": everything_renamed,
}


@pytest.mark.parametrize("name", EDITS)
def test_a_comparison_takes_no_time(tmp_path: Path, before: Side, name: str) -> None:
    spec = copy.deepcopy(SPEC)
    EDITS[name](spec)
    after = side(tmp_path, spec)
    assert seconds(lambda: objects.diff(before.record, after.record)) < LONGEST
    assert seconds(lambda: before.contents) < LONGEST
    was, now = before.contents, after.contents
    assert seconds(lambda: resources.diff(was, now, before.record, after.record)) < LONGEST
    assert seconds(lambda: effects.effects(was, now)) < LONGEST
