"""The score: what a gateway deserves, and that no finding ever raises it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.lint.rule import Rule
from gatectl.lint.rules import RULES
from gatectl.lint.score import GRADES, grade, score
from gatectl.spec.scaffold import scaffold
from tests.lint.linting import report

ROOT = Path(__file__).parents[2]
BROKEN = st.lists(st.sampled_from(RULES), max_size=60)
WIDE_OPEN = """
version: 1
name: open
upstreams: {u: {endpoints: ["api.example.com:80"]}}
cors: {allow_origins: ["*"]}
routes: [{name: all, match: {path_prefix: /}, upstream: u, access: public}]
"""


@given(BROKEN, st.sampled_from(RULES), st.integers(0, 60))
def test_a_further_finding_never_raises_the_score(broken: list[Rule], further: Rule, place: int) -> None:
    assert score([*broken[:place], further, *broken[place:]]) <= score(broken)


@given(BROKEN)
def test_the_order_of_findings_does_not_count_and_the_score_stays_in_its_range(broken: list[Rule]) -> None:
    assert score(broken) == score(reversed(broken))
    assert 0 <= score(broken) <= 100


@given(st.sampled_from([rule for rule in RULES if rule.category == "security"]), st.integers(1, 500))
def test_a_rule_takes_its_cost_at_first_and_never_more_than_twice_that(rule: Rule, count: int) -> None:
    assert score([rule]) == 100 - rule.cost
    assert score([rule] * count) >= 100 - 2 * rule.cost


@given(st.lists(st.sampled_from([rule for rule in RULES if rule.category != "security"])))
def test_only_security_counts(broken: list[Rule]) -> None:
    assert score(broken) == 100


@given(st.integers(0, 99))
def test_a_better_score_never_has_a_worse_grade(tenths: int) -> None:
    order = [name for _, name in GRADES]
    assert order.index(grade(tenths + 1)) <= order.index(grade(tenths))


@pytest.mark.parametrize(
    ("tenths", "name"),
    [(100, "A+"), (95, "A+"), (94, "A"), (90, "A"), (89, "B"), (79, "C"), (69, "D"), (59, "F"), (0, "F")],
)
def test_a_score_has_its_grade(tenths: int, name: str) -> None:
    assert grade(tenths) == name


@pytest.mark.parametrize("spec", ["examples/customer-support/gateway.yaml", "bench/gateway.yaml"])
def test_what_is_shown_as_an_example_is_one(tmp_path: Path, spec: str) -> None:
    result = report(tmp_path, (ROOT / spec).read_text(), fail_on="warning", least=90)
    assert result.passed
    assert result.score >= 90


def test_what_init_writes_has_a_good_score(tmp_path: Path) -> None:
    assert report(tmp_path, scaffold(), fail_on="warning", least=90).passed


def test_a_gateway_that_is_wide_open_has_next_to_nothing(tmp_path: Path) -> None:
    result = report(tmp_path, WIDE_OPEN)
    assert result.score <= 10
    assert not result.passed
