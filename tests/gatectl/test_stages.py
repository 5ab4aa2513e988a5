"""From one generation to another: at no moment, in whatever order Envoy reads, does a route lack its cluster."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.compiler import compile_spec
from gatectl.render.bundle import Bundle, build
from gatectl.rollout.stages import CDS, LDS, RDS, stages
from gatectl.rollout.store import in_force
from gatectl.spec.model import Spec
from tests.gatectl.specs import MINIMAL, route

UPSTREAMS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=1)
"""Name → port: an upstream may come, go, and change under its name."""


def of(upstreams: dict[str, int]) -> Bundle:
    """A gateway with one route to each upstream."""
    fields: dict[str, Any] = MINIMAL | {
        "upstreams": {name: {"endpoints": (f"127.0.0.1:{port}",)} for name, port in upstreams.items()},
        "routes": tuple(route(f"r-{name}", {"path": f"/{name}"}, upstream=name) for name in upstreams),
    }
    return build(compile_spec(Spec.model_validate(fields)))


def present(bundle: Bundle) -> set[str]:
    return {cluster["name"] for cluster in bundle.resource("cds")}


def needed(bundle: Bundle) -> set[str]:
    hosts = bundle.resource("rds")[0]["virtual_hosts"]
    return {one["route"]["cluster"] for host in hosts for one in host["routes"] if "route" in one}


BUNDLES = UPSTREAMS.map(of)


@settings(max_examples=40)
@given(old=BUNDLES, new=BUNDLES)
def test_no_route_is_ever_without_its_cluster(old: Bundle, new: Bundle) -> None:
    way = [old, *(stage.bundle for stage in stages(old, new))]
    for before, after in pairwise(way):
        assert needed(before) | needed(after) <= present(before)
        assert needed(before) | needed(after) <= present(after)
    assert way[-1] == new


@settings(max_examples=40)
@given(old=BUNDLES, between=BUNDLES, new=BUNDLES)
def test_the_way_from_a_generation_of_passage_is_as_safe(old: Bundle, between: Bundle, new: Bundle) -> None:
    """An apply that was interrupted leaves one in force."""
    for stage in stages(old, between):
        left = replace(stage.bundle, revision=in_force(stage.name))
        way = [left, *(one.bundle for one in stages(left, new))]
        for before, after in pairwise(way):
            assert needed(before) | needed(after) <= present(before) & present(after)
        assert way[-1] == new


@settings(max_examples=40)
@given(old=BUNDLES, new=BUNDLES)
def test_a_stage_says_what_envoy_will_report(old: Bundle, new: Bundle) -> None:
    for stage in stages(old, new):
        for kind, file in {"lds": LDS, "cds": CDS, "rds": RDS}.items():
            assert json.loads(stage.bundle.files[file])["version_info"] == stage.versions[kind]
        assert in_force(stage.name) == stage.versions["rds"] == stage.versions["lds"]
        assert stage.bundle.revision == stage.versions["rds"]


def test_a_first_generation_needs_no_passage() -> None:
    (stage,) = stages(None, of({"a": 1}))
    assert stage.bundle == of({"a": 1})


def test_without_a_cluster_that_comes_or_goes_one_step_is_enough() -> None:
    old, new = of({"a": 1, "b": 1}), of({"a": 2, "b": 1})
    assert [stage.name for stage in stages(old, new)] == [new.revision]


def test_a_cluster_that_comes_comes_before_its_route() -> None:
    old, new = of({"a": 1}), of({"a": 1, "b": 1})
    assert [stage.name for stage in stages(old, new)] == [f"{old.revision}+{new.revision}", new.revision]


def test_a_cluster_that_goes_goes_after_its_route() -> None:
    old, new = of({"a": 1, "b": 1}), of({"a": 1})
    assert [stage.name for stage in stages(old, new)] == [f"{new.revision}+{old.revision}", new.revision]


def test_a_cluster_that_is_renamed_takes_both_steps() -> None:
    old, new = of({"a": 1}), of({"b": 1})
    names = [f"{old.revision}+{new.revision}", f"{new.revision}+{old.revision}", new.revision]
    assert [stage.name for stage in stages(old, new)] == names


def test_on_the_way_a_changed_cluster_is_the_new_one() -> None:
    old, new = of({"a": 1}), of({"a": 2, "b": 1})
    passage = stages(old, new)[0].bundle
    assert {one["name"]: one for one in passage.resource("cds")} == {one["name"]: one for one in new.resource("cds")}
