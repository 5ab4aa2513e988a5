"""`gatectl import ratelimit`: rules become limits, and what cannot be said is told with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from gatectl.diagnostics import GatectlError, SpecError
from gatectl.importing.ratelimit import import_ratelimit
from gatectl.spec.load import load
from tests.ratelimit_svc.compat.documents import descriptors

SPEC = Path(__file__).parents[1] / "golden" / "customer-support" / "spec.yaml"
HOUR = "rate_limit: {unit: hour, requests_per_unit: 5}"
SAID = {"limit": "5/hour", "algorithm": "fixed_window", "count_refused": True}


def imported(descriptors: str, **meanings: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Limits and notes of the descriptors, whose first line is the third."""
    made = import_ratelimit("c.yaml", f"domain: d\ndescriptors:\n{descriptors}", meanings)
    assert yaml.safe_load(made.text) == {"rate_limits": made.limits}
    return made.limits, [str(note) for note in made.notes]


@pytest.mark.parametrize(
    ("descriptors", "limit"),
    [
        (f"- {{key: remote_address, {HOUR}}}", {"name": "remote-address", "per": ["client_address"]}),
        (f"- {{key: X-User-Id, {HOUR}}}", {"name": "x-user-id", "per": ["user"]}),
        (f"- {{key: user, value: '*', {HOUR}}}", {"name": "user", "per": ["user"]}),
        (
            f"- {{key: route, descriptors: [{{key: api_key, {HOUR}}}]}}",
            {"name": "route-api-key", "per": ["route", "api_key"]},
        ),
        (
            f"- {{key: tier, value: free, descriptors: [{{key: user, {HOUR}}}]}}",
            {"name": "tier-free-user", "per": ["user"], "when": {"plan": ["free"]}},
        ),
        (f"- {{key: plan, value: free, {HOUR}}}", {"name": "plan-free", "per": ["plan"], "when": {"plan": ["free"]}}),
        (f"- {{key: account, {HOUR}}}", {"name": "account", "per": ["user"]}),
        (f"- {{key: role, detailed_metric: true, {HOUR}}}", {"name": "role", "per": ["role"], "detailed": True}),
    ],
)
def test_keys_are_counted_by_and_values_narrow(descriptors: str, limit: dict[str, Any]) -> None:
    assert imported(descriptors, account="user") == ([limit | SAID], [])


@pytest.mark.parametrize(
    ("unit", "written"),
    [("second", "1/second"), ("day", "1/day"), ("week", "1/7d"), ("month", "1/30d"), ("year", "1/365d")],
)
def test_every_unit_can_be_said(unit: str, written: str) -> None:
    [limit], _ = imported(f"- {{key: user, rate_limit: {{unit: {unit}, requests_per_unit: 1, name: Mine}}}}")
    assert (limit["limit"], limit["name"]) == (written, "mine")


LEFT_OUT = {
    f"- {{key: ip, value: '10.0.0', {HOUR}}}": (
        'it cannot be said: "10.0.0" is not a network, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32'
    ),
    f"- {{key: upstream, value: tickets, {HOUR}}}": "it is for one upstream only, which a limit cannot say",
    f"- {{key: ip, value: 10.0.0.1, descriptors: [{{key: client_ip, value: 10.0.0.2, {HOUR}}}]}}": (
        "it looks at client_address twice"
    ),
    f"- {{key: data_base, {HOUR}}}": 'it has the key "data_base", say what it is: --as data_base=header.data-base',
    f"- {{key: user, value: 'a*', {HOUR}}}": 'it has the pattern "user_a*"',
    f"- {{key: user, value: '*', share_threshold: true, {HOUR}}}": 'it has the pattern "user_*"',
}


@pytest.mark.parametrize("descriptor", LEFT_OUT)
def test_what_cannot_be_said_is_left_out_and_told_with_its_place(descriptor: str) -> None:
    limits, [note] = imported(f"- {{key: role, {HOUR}}}\n{descriptor}")
    assert [limit["name"] for limit in limits] == ["role"]
    assert note.startswith("c.yaml:4:")
    assert "warning[GC0401] the rule d." in note
    assert note.endswith(LEFT_OUT[descriptor])


def test_what_means_something_else_now_is_told() -> None:
    _, notes = imported(
        f"- {{key: route, value: /login, quota_mode: true, {HOUR}}}\n"
        "- {key: user, rate_limit: {unit: hour, requests_per_unit: 5, replaces: [{name: x}]}}\n"
        f"- {{key: user, value: 'a*', {HOUR}}}\n"
        f"- {{key: masked_remote_address, {HOUR}}}"
    )
    assert [note.partition("] ")[2] for note in notes] == [
        '"login" must be a route of the spec',
        "quota_mode is not carried over: the limit refuses by itself",
        'no rule has the name "x", which d.user replaces',
        'patterns beside "user" are not carried over: its limit holds for them',
        'the rule d.user_a* is left out: it has the pattern "user_a*"',
        "addresses were counted by networks: say their size by `ipv4_prefix` and `ipv6_prefix`",
    ]


def test_a_value_with_a_descriptor_of_its_own_is_spared_or_told() -> None:
    unlimited = "rate_limit: {unlimited: true}"
    limits, notes = imported(
        f"- {{key: client_ip, {HOUR}}}\n- {{key: client_ip, value: 10.0.0.1, {unlimited}}}\n"
        f"- {{key: route, {HOUR}}}\n- {{key: route, value: login, {unlimited}}}"
    )
    assert [limit.get("exempt") for limit in limits] == [{"client_address": ["10.0.0.1"]}, None]
    assert notes == ["c.yaml:5:3: warning[GC0402] the rule d.route did not hold for route login, the limit does"]


def test_a_shadow_rule_never_becomes_one_that_refuses() -> None:
    limits, _ = imported(f"- {{key: role, {HOUR}}}\n- {{key: user, shadow_mode: true, {HOUR}}}")
    assert [limit for limit in limits if limit["name"] == "user" and limit.get("enforce", True)] == []


def test_a_word_that_does_nothing_is_told_here_too() -> None:
    _, notes = imported("- {key: user, rate_limit: {unit: hour, requests_per_unit: 5, shadow_mode: true}}")
    assert notes == ['c.yaml:3:62: warning[GC0401] "shadow_mode" is not read in a rate_limit']


@pytest.mark.parametrize("text", ["openapi: 3.0.0", "domain: d", "domain: d\ndescriptors: [{key: x}, 3]", "{", ""])
def test_another_document_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        import_ratelimit("c.yaml", text, {})
    assert {one.code for one in caught.value.diagnostics} == {"GC0400"}
    assert all(one.location is not None for one in caught.value.diagnostics)


def test_a_meaning_must_be_a_dimension() -> None:
    with pytest.raises(GatectlError, match="no dimension, in --as account=customer"):
        imported(f"- {{key: account, {HOUR}}}", account="customer")


def test_the_limits_lie_over_a_spec(tmp_path: Path) -> None:
    made = import_ratelimit("c.yaml", f"domain: d\ndescriptors: [{{key: user, {HOUR}}}]", {})
    (tmp_path / "limits.yaml").write_text(made.text)
    spec, _ = load([str(SPEC), str(tmp_path / "limits.yaml")], {})
    assert [(limit.name, limit.per, limit.limit[0].requests) for limit in spec.rate_limits if limit.name == "user"] == [
        ("user", ("user",), 5)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents=descriptors())
def test_whatever_the_file_says_only_valid_limits_come_out(documents: list[dict[str, Any]]) -> None:
    text = yaml.safe_dump({"domain": "d", "descriptors": documents})
    try:
        made = import_ratelimit("c.yaml", text, {"a": "user", "b": "plan"})
    except SpecError as error:
        assert error.diagnostics  # noqa: PT017 - nothing may be left
    else:
        assert len({limit["name"] for limit in made.limits}) == len(made.limits)
