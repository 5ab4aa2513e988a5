"""Every folder under tests/golden is a case: spec.yaml, and the bundle it renders to or the errors it has.

``pytest tests/gatectl/test_golden.py --update-golden`` rewrites what is expected, and removes what no case owns.
"""

import json
from pathlib import Path

import pytest

from gatectl.compiler import compile_spec
from gatectl.diagnostics import SpecError
from gatectl.render import messages
from gatectl.render.bundle import Bundle, build
from gatectl.rollout import envoy_check
from gatectl.spec.load import load
from ratelimit_svc.policy import ENDED

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/spec.yaml"))
RENDERED = [case for case in CASES if not case.name.startswith("errors-")]
ENVIRONMENT = {"GOLDEN_SECRET": "hunter2 Secret!", "GOLDEN_PORT": "8081"}


def names(cases: list[Path]) -> list[str]:
    return [case.name for case in cases]


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


def bundle(case: Path) -> Bundle:
    spec, _ = load([str(case / "spec.yaml")], ENVIRONMENT)
    return build(compile_spec(spec))


def outcome(case: Path) -> dict[str, str]:
    """The files that the case should have beside its spec."""
    try:
        files = bundle(case).files
    except SpecError as error:
        return {"errors.txt": str(error).replace(f"{case}/", "") + "\n"}
    return {f"bundle/{name}": content.decode() for name, content in files.items()}


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_case_gives_exactly_its_golden_files(case: Path, update: bool) -> None:
    got = outcome(case)
    there = {str(path.relative_to(case)) for path in case.rglob("*") if path.is_file()} - {"spec.yaml"}
    if update:
        for name in there - set(got):
            (case / name).unlink()
        for name, text in got.items():
            (case / name).parent.mkdir(parents=True, exist_ok=True)
            (case / name).write_text(text)
        return
    assert there == set(got)
    for name, text in got.items():
        assert text == (case / name).read_text(), f"{case.name}/{name} differs: --update-golden if that is meant"


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_an_errors_case_has_errors_and_no_other_case_has(case: Path) -> None:
    assert (case.name.startswith("errors-")) == ("errors.txt" in outcome(case))


@pytest.mark.parametrize("case", RENDERED, ids=names(RENDERED))
def test_the_same_spec_renders_to_the_same_bytes(case: Path) -> None:
    assert bundle(case) == bundle(case)


@pytest.mark.parametrize("case", RENDERED, ids=names(RENDERED))
def test_a_golden_bundle_is_envoy_api(case: Path) -> None:
    assert messages.check(bundle(case)) == []


@pytest.mark.parametrize("case", RENDERED, ids=names(RENDERED))
def test_the_real_envoy_accepts_a_golden_bundle(case: Path) -> None:
    assert envoy_check.check(bundle(case), "local") == ([], True)


def test_no_message_ever_shows_a_value_from_the_environment() -> None:
    shown = "".join((case / "errors.txt").read_text() for case in CASES if case.name.startswith("errors-"))
    assert "hunter2" not in shown
    assert "${GOLDEN_SECRET}" in shown


def test_the_example_of_the_readme_is_a_golden_case() -> None:
    example = GOLDEN.parents[1] / "examples" / "customer-support" / "gateway.yaml"
    assert example.read_text() == (GOLDEN / "customer-support" / "spec.yaml").read_text()


def test_every_limit_of_a_bundle_is_known_to_both_sides() -> None:
    """A descriptor without a rule, or with other entries than the rule expects, would be no limit at all."""
    for case in RENDERED:
        files = bundle(case).files
        limits = json.loads(files["limits.json"])["limits"]
        for host in json.loads(files["envoy/rds.json"])["resources"][0]["virtual_hosts"]:
            for route in host["routes"]:
                own = route.get("typed_per_filter_config", {}).get("envoy.filters.http.ratelimit", {})
                for limit in own.get("rate_limits", []):
                    entries = [next(iter(action.values())) for action in limit["actions"]]
                    keys = [entry["descriptor_key"] for entry in entries]
                    rule = limits[entries[0]["descriptor_value"]]
                    ended = ENDED if limit.get("apply_on_stream_done") else ()
                    chosen = (*rule["per"], *rule["when"], *rule["exempt"], *(["plan"] if rule["plans"] else []))
                    lease = ["lease"] if rule["algorithm"] == "concurrency" else []
                    assert keys == ["limit", "revision", *dict.fromkeys(chosen), *lease, *ended]
