"""A canary for every value that can come from the environment: what a plan says shows none of them."""

from pathlib import Path
from typing import Any

import pytest

from gatectl.changes import effects, objects, resources
from gatectl.rollout.plan import Plan, name_of
from gatectl.views import view
from tests.gatectl.canaries import Canary, canaries, environment, found_in, literal, planted
from tests.gatectl.changing import Side, side

CANARIES = canaries()
DEVELOPMENT = {"version", "development"}
"""What the gateway never sees: it changes no revision."""


def plan(before: Side | None, after: Side, known: bool = True) -> Plan:
    """As `plan` makes it, without a state directory; ``known``: the spec in force has a record."""
    old, was = (before.record if known else None, before.contents) if before else (None, None)
    return Plan(
        gateway=name_of(after.record),
        base=was.revision if was else None,
        revision=after.bundle.revision,
        files=("gateway.yaml",),
        made_at="now",
        by="me",
        changes=objects.diff(old, after.record) if known or before is None else None,
        resources=resources.diff(was, after.contents, old, after.record),
        deletes={},
        effects=effects.effects(was, after.contents, nameless=resources.names_hidden(old, after.record)),
        drift=(),
    )


def shown(one: Plan, capsys: pytest.CaptureFixture[str]) -> str:
    for output in ("human", "json", "markdown"):
        view(output).result("planned", one.data())
    return capsys.readouterr().out + one.model_dump_json()


def values(changes: tuple[Any, ...] | None) -> list[str]:
    return [str(text) for change in changes or () for field in change.fields for text in (field.before, field.after)]


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: "/".join(map(str, canary.path)))
def test_a_value_from_the_environment_is_in_no_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], canary: Canary
) -> None:
    before, after = (side(tmp_path, planted(canary), environment(index, canary)) for index in (0, 1))
    told = plan(before, after)
    assert found_in(shown(told, capsys), [canary]) == []
    for one in (plan(None, after), plan(before, after, known=False)):
        assert found_in(one.model_dump_json(), [canary]) == []
    if canary.path[0] in DEVELOPMENT:
        assert not told.changed
        return
    assert told.changed
    assert [text for text in values(told.changes) if f"${{{canary.name}}}" not in text] == [], "only it has changed"
    assert all("(secret " in text for text in values(told.changes))
    assert values(told.changes) or told.summary["add"], "a changed secret is a change"
    assert {*values(told.resources)} <= {resources.HIDDEN}


def test_nearly_every_value_of_the_language_is_tried() -> None:
    assert len(CANARIES) > 130
    assert len([one for one in CANARIES if one.telling]) > 90


def test_all_values_at_once_are_in_no_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (side(tmp_path, planted(*CANARIES), environment(index, *CANARIES)) for index in (0, 1))
    for one in (plan(before, after), plan(None, after), plan(before, after, known=False)):
        assert found_in(shown(one, capsys), CANARIES) == []
    assert found_in(before.record.model_dump_json(), CANARIES) == []
    assert len(before.record.secrets) >= len(CANARIES)


@pytest.mark.parametrize(
    "canary", [one for one in CANARIES if one.telling][::5], ids=lambda one: "/".join(map(str, one.path))
)
def test_a_secret_that_becomes_a_literal_stays_hidden_where_it_is_a_secret(tmp_path: Path, canary: Canary) -> None:
    secret = side(tmp_path, planted(canary), environment(0, canary))
    plain = side(tmp_path, literal(canary, 1))
    for one in (plan(secret, plain), plan(plain, secret)):
        assert canary.values[0] not in one.model_dump_json()
        assert one.changed or canary.path[0] in DEVELOPMENT
