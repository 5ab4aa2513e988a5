"""Which warnings an edit gives: exactly these, and none for an edit that only comes near."""

import copy
from pathlib import Path

import pytest

from gatectl.changes.effects import effects
from tests.gatectl.changing import Edit, side, warnings
from tests.gatectl.edits import NOT_TOLD, TOLD
from tests.gatectl.opening import (
    DENIED,
    OTHER_REQUESTS,
    OWN,
    PAGES,
    SPEC,
    opens,
)


def judged(directory: Path, edit: Edit) -> list[str]:
    spec = copy.deepcopy(SPEC)
    edit(spec)
    return warnings(side(directory, SPEC), side(directory, spec))


@pytest.mark.parametrize("name", TOLD)
def test_an_edit_gives_exactly_these_warnings(tmp_path: Path, name: str) -> None:
    edit, expected = TOLD[name]
    assert judged(tmp_path, edit) == expected


@pytest.mark.parametrize("name", NOT_TOLD)
def test_an_edit_that_opens_and_cuts_nothing_gives_no_warning(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, NOT_TOLD[name]) == []


def test_a_public_route_that_comes_to_another_host_is_told(tmp_path: Path) -> None:
    spec = copy.deepcopy(SPEC)
    spec["routes"][PAGES]["match"]["hosts"] = ["a.example"]
    narrow = side(tmp_path, spec)
    assert warnings(narrow, side(tmp_path, SPEC)) == opens('route "pages"', OTHER_REQUESTS)


def test_nothing_opens_when_nothing_was_there(tmp_path: Path) -> None:
    assert effects(None, side(tmp_path, SPEC).contents) == ()


def test_api_keys_that_were_not_accepted_before_are_told(tmp_path: Path) -> None:
    spec = copy.deepcopy(SPEC)
    del spec["authentication"]["api_keys"]
    for index in (OWN, DENIED):
        del spec["routes"][index]["authentication"]
    told = warnings(side(tmp_path, spec), side(tmp_path, SPEC))
    assert opens("api keys", "callers get in with API keys")[0] in told


def test_a_name_that_may_not_be_shown_is_in_no_warning(tmp_path: Path) -> None:
    for edit, _ in TOLD.values():
        spec = copy.deepcopy(SPEC)
        edit(spec)
        found = effects(side(tmp_path, SPEC).contents, side(tmp_path, spec).contents, nameless=True)
        assert [one for one in found if '"' in one.object + one.message] == []
