"""A state directory that another version has written: it is told, compared as far as it goes, and replaced."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gatectl.render.bundle import Bundle, canonical
from gatectl.rollout.history import HISTORY
from gatectl.rollout.records import RECORD
from gatectl.rollout.store import GENERATIONS, MANIFEST, Store
from tests.commands.desk import Desk

# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
OWN = {"name": "own", "match": {"path_template": "/c/{id}"}, "upstream": "u", "access": {"where": "path.id == user.id"}}
POLICY_1 = {"format", "revision", "gateway", "api_keys", "issuers", "forward_credentials", "routes"}
"""Fields of the policy of format 1."""
SECTIONS_1 = {"version", "name", "listener", "authentication", "upstreams", "routes", "rate_limits", "rate_limiting"}
"""Sections of a spec of that time."""
Aging = Callable[[Bundle], Bundle]


def before_conditions(bundle: Bundle) -> Bundle:
    """As the version wrote it whose policy had format 1: rules without effects, conditions as lists of pairs."""
    policy = json.loads(bundle.files["authz.json"])
    old = {name: value for name, value in policy.items() if name in POLICY_1} | {"format": 1}
    old["api_keys"] = {"header": "x-api-key", "stale_seconds": 60, "static": []}
    for route in old["routes"].values():
        pairs = [{"attribute": "id", "variable": "id"}] if route["path_template"] else []
        route["rules"] = [
            {"methods": rule["methods"], "roles": rule["roles"], "where": pairs} for rule in route["rules"]
        ]
    return replace(bundle, files={**bundle.files, "authz.json": canonical(old).encode()})


def of_the_future(bundle: Bundle) -> Bundle:
    """As a version may write it that knows more: another format of the policy of each service."""
    files = {name: content.replace(b'"format": ', b'"format": 9') for name, content in bundle.files.items()}
    return replace(bundle, files=files)


def of_another_shape(bundle: Bundle) -> Bundle:
    """Files of the same names, and nothing in them that this version looks for."""
    return replace(bundle, files=dict.fromkeys(bundle.files, b'{"resources": []}'))


def made_by_another_version(desk: Desk, aged: Aging) -> str:
    """The revision in force, as if another version had brought it there."""
    desk.write(routes=[OWN], rate_limits=[])
    revision = desk.applied()
    store = Store(desk.state)
    bundle = store.bundle(revision, "shop")
    assert bundle is not None
    directory = desk.state / GENERATIONS / revision
    for name, content in aged(bundle).files.items():
        (directory / name).write_bytes(content)
    manifest = store.manifest(revision) or {}
    manifest["files"] = {
        name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in manifest["files"]
    }
    (directory / MANIFEST).write_text(canonical(manifest))
    _age_record(json.loads((directory / RECORD).read_bytes()), directory / RECORD)
    lines = [json.loads(line) for line in (desk.state / HISTORY).read_text().splitlines()]
    for line in lines:
        del line["seconds"], line["nodes"], line["message"], line["files"]
    (desk.state / HISTORY).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert store.intact(revision)
    return revision


def _age_record(kept: dict[str, Any], path: Any) -> None:
    record = kept["record"]
    record["effective"] = {name: one for name, one in record["effective"].items() if name in SECTIONS_1}
    for spec in (record["effective"], record["written"]):
        (route,) = spec["routes"]
        route["access"] = {"where": {"path.id": "user.id"}}
    del record["effective"]["listener"]["tls"]
    digest = hashlib.sha256(canonical(record).encode()).hexdigest()
    path.write_text(json.dumps({"digest": digest, "record": record}))


AGES = [before_conditions, of_the_future, of_another_shape]


@pytest.mark.parametrize("aged", AGES)
def test_what_is_in_force_of_another_version_is_told_as_any_other(desk: Desk, aged: Aging) -> None:
    revision = made_by_another_version(desk, aged)
    (entry,) = desk.run("history", "-o", "json").data["entries"]
    assert (entry["revision"], entry["outcome"]) == (revision, "applied")
    assert "path.id" in desk.run("dump").out
    assert revision in desk.run("status").out
    assert desk.run("drift").code == 5  # nobody runs, as with any other


@pytest.mark.parametrize("aged", AGES)
def test_a_plan_over_another_version_says_that_nobody_can_tell_what_it_opens(desk: Desk, aged: Aging) -> None:
    revision = made_by_another_version(desk, aged)
    desk.write(routes=[OWN | {"timeout": "9s"}], rate_limits=[])
    before = desk.everything()
    ran = desk.plan("-o", "json")
    assert (ran.code, ran.data["base"]) == (0, revision)
    (effect,) = ran.data["effects"]
    assert effect["kind"] == "opens-access"
    assert "written by another version" in effect["message"]
    assert {"field": "access.where", "before": None, "after": "path.id == user.id"} in ran.data["changes"][-1]["fields"]
    changed = {(one["kind"], one["name"]) for one in ran.data["resources"] if one["action"] == "change"}
    assert (("envoy route", "own") in changed) is (aged is not of_another_shape)
    assert "! opens-access gateway: what is in force was written by another version" in desk.plan().out
    assert desk.everything() == before


@pytest.mark.parametrize("aged", AGES)
def test_an_apply_goes_on_over_another_version_and_there_is_no_way_back(desk: Desk, aged: Aging) -> None:
    revision = made_by_another_version(desk, aged)
    desk.write(routes=[OWN | {"timeout": "9s"}], rate_limits=[])
    second = desk.applied()
    assert desk.in_force == second
    ran = desk.rollback()
    assert (ran.code, desk.in_force) == (1, second)
    assert f"generation {revision} was written by another version of gatectl" in ran.err
    assert f"`gatectl dump {revision}`" in ran.err


def test_the_guard_against_mass_deletion_counts_what_another_version_wrote(desk: Desk) -> None:
    desk.write()
    revision = desk.applied()
    store = Store(desk.state)
    path = desk.state / GENERATIONS / revision / "authz.json"
    path.write_bytes(path.read_bytes().replace(b'"format": 2', b'"format": 1'))
    manifest = store.manifest(revision) or {}
    manifest["files"]["authz.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / MANIFEST).write_text(canonical(manifest))
    desk.write(routes=[OWN])
    ran = desk.apply()
    assert (ran.code, desk.in_force) == (1, revision)
    assert "this deletes 3 of 3 routes" in ran.err
