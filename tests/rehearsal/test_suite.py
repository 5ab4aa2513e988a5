"""Files of tests that are run: what passes and fails, what is covered, and how it is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.rehearsal import trial
from gatectl.spec.scaffold import scaffold
from gatectl.views.junit import Case, junit
from tests.rehearsal.specs import STATIC_KEY, write, written

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "customer-support"


def run(directory: Path, tests: str) -> dict[str, Any]:
    return trial.test(str(write(directory, tests)), [], directory, 0)


def test_what_is_not_as_expected_is_told_with_its_place(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """\
callers: {a: {roles: [a]}}
tests:
  - {request: GET /open, expect: allow}
  - {request: GET /open, expect: deny}
  - {name: Short, request: /guarded, expect: 200}
  - request: POST /guarded/x?y
    as: a
    expect:
      decision: allow
      status: 200
      reason: granted
      route: any
  - request: {path: /guarded, headers: {x-a: "1"}}
    as: a
    expect:
      path: /other
      limits: [few]
      refused_by: few
      sent: {x-a: "2", x-gate-user: somebody, x-api-key: null, x-gate-roles: null}
      headers: {x-ratelimit-limit: "100", x-none: "1"}
  - {request: {path: /, headers: {content-length: "7"}}, expect: allow}
""",
    )
    told = [
        [
            f"{one['place'].removeprefix(str(tmp_path))} {one['field']}: {one['expected']} / {one['got']}"
            for one in test["failures"]
        ]
        for test in result["tests"]
    ]
    place = "/tests.yaml:"
    assert told == [
        [],
        [f"{place}4:34 decision: deny / allow (200 public)"],
        [f"{place}5:46 status: 200 / 401 (credential-missing)"],
        [
            f"{place}9:17 decision: allow / deny (403 access-denied)",
            f"{place}10:15 status: 200 / 403 (access-denied)",
            f"{place}11:15 reason: granted / access-denied",
            f"{place}12:14 route: any / guarded",
        ],
        [
            f"{place}16:13 path: /other / /guarded",
            f"{place}17:16 limits.0: few / many",
            f"{place}18:19 refused_by: few / nothing",
            f"{place}19:19 sent.x-a: 2 / 1",
            f"{place}19:78 sent.x-gate-roles: nothing / a",
            f"{place}20:51 headers.x-none: 1 / nothing",
        ],
        [f"{place}21:15 request: a request / the request cannot be sent: Too little data for declared Content-Length"],
    ]
    assert (result["passed"], result["failed"], result["ok"]) == (1, 5, False)


def test_what_is_repeated_has_its_own_counters_and_no_window_ends_in_between(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        """\
tests:
  - {request: GET /open, repeat: 2, expect: allow}
  - {request: GET /open, repeat: 3, expect: {status: 429, reason: rate-limited, refused_by: few}}
  - {request: GET /open, repeat: 300, expect: 429}
  - {request: GET /open, expect: {decision: allow, limits: [few], headers: {x-ratelimit-remaining: "1"}}}
""",
    )
    assert [test["failures"] for test in result["tests"]] == [[]] * 4
    assert result["coverage"]["limits"][0] | {"place": ""} == {"name": "few", "place": "", "counted": 4, "refused": 2}


def test_what_nobody_touched_lowers_the_coverage(tmp_path: Path) -> None:
    callers = "callers: {a: {roles: [a]}, b: {roles: [b]}}\n"
    result = run(tmp_path, callers + "tests: [{request: /open, expect: allow}, {request: /guarded, expect: 401}]")
    coverage = result["coverage"]
    assert [(one["name"], one["hits"], one["allowed"]) for one in coverage["routes"]] == [
        ("open", 1, 1),
        ("guarded", 1, 0),
        ("any", 0, 0),
    ]
    rules = [(one["route"], one["rule"], one["decided"]) for one in coverage["rules"]]
    assert rules == [("guarded", 1, 0), ("guarded", 2, 0), ("any", 1, 0)]
    assert [one["place"].rpartition("gateway.yaml:")[2] for one in coverage["rules"]] == ["10:14", "10:44", "11:51"]
    assert coverage["percent"] == 100 * 3 // 8
    all_of_it = "tests: [{request: /open, expect: allow}, {request: /guarded, as: a, expect: allow}, "
    all_of_it += "{request: POST /guarded, as: b, expect: allow}, {request: /any, as: a, expect: allow}]"
    assert run(tmp_path, callers + all_of_it)["coverage"]["percent"] == 100


def test_a_test_can_expect_what_rules_would_do_that_are_not_enforced(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        """\
version: 1
name: shadow
authentication: {api_keys: {}}
upstreams: {u: {endpoints: ["127.0.0.1:9"]}}
routes:
  - name: r
    match: {path: /r}
    upstream: u
    access: [{roles: [a]}, {effect: deny, methods: [PUT], enforce: false}]
"""
    )
    tests = tmp_path / "tests.yaml"
    tests.write_text(
        """\
callers: {a: {roles: [a]}}
tests:
  - {request: PUT /r, as: a, expect: {decision: allow, shadow: deny}}
  - {request: /r, as: a, expect: {decision: allow, shadow: deny}}
"""
    )
    result = trial.test(str(tests), [], tmp_path, 0)
    assert [[(one["field"], one["got"]) for one in test["failures"]] for test in result["tests"]] == [
        [],
        [("shadow", "nothing")],
    ]
    assert [one["decided"] for one in result["coverage"]["rules"]] == [2, 1]


def test_values_from_the_environment_stay_hidden_in_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch)
    tests = tmp_path / "tests.yaml"
    tests.write_text(
        f"""\
callers: {{k: {{key: {STATIC_KEY}}}, r: {{roles: ["${{ROLE}}"]}}}}
tests:
  - {{request: /s, as: r, expect: {{decision: deny, path: /x, sent: {{x-token: "${{RATE}}"}}, headers: {{x-out: a}}}}}}
  - {{request: /open, as: k, expect: deny}}
  - {{request: /open, as: k, expect: {{sent: {{x-gate-user: nobody}}, headers: {{x-ratelimit-limit: "9"}}}}}}
"""
    )
    result = trial.test(str(tests), [], tmp_path, 0)
    got = [one["got"] for test in result["tests"] for one in test["failures"]]
    assert got == [
        "allow (200 granted)",
        "(from the environment)",
        "Bearer ${TOKEN}",
        "${TOKEN}",
        "allow (200 public)",
        "(from the environment)",
        "(from the environment)",
    ]
    shown = json.dumps(result)
    assert [
        secret for secret in ("tokensecret", "prefixsecret", "2/minute", "whoseverysecret") if secret in shown
    ] == []


def gatectl(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gatectl", "test", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_example_keeps_all_its_promises_and_all_of_it_is_covered() -> None:
    result = gatectl("--fail-under", "100", directory=EXAMPLE)
    assert (result.returncode, result.stderr) == (0, "")
    assert "29 passed, 0 failed; coverage 100%" in result.stdout


def test_the_scaffold_can_be_tested_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(scaffold())
    (tmp_path / "tests.yaml").write_text(
        """\
callers: {reader: {roles: [reader]}, ann: {user: ann}, token: {jwt: {sub: ann, roles: [admin]}}}
tests:
  - {request: GET /healthz, expect: allow}
  - {request: GET /api/v1/things, as: reader, expect: allow}
  - {request: PUT /api/v1/profiles/ann, as: ann, expect: allow}
  - {request: DELETE /api/v1/things, as: token, expect: allow}
  - {request: GET /api/v1/profiles/ann, as: token, expect: allow}
"""
    )
    result = trial.test(str(tmp_path / "tests.yaml"), [], tmp_path, 0)
    assert (result["failed"], result["coverage"]["percent"]) == (0, 100)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["-o", "human"], 3), (["-o", "json"], 3), (["-o", "junit"], 3), (["-o", "xml"], 64), (["none.yaml"], 65)],
    ids=["human", "json", "junit", "no-such-format", "no-such-file"],
)
def test_the_exit_code_does_not_depend_on_the_format(tmp_path: Path, arguments: list[str], code: int) -> None:
    write(tmp_path, "tests: [{request: /open, expect: deny}]")
    result = gatectl(*arguments, directory=tmp_path)
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert bool(result.stdout) is (code == 3)


def test_too_little_coverage_is_a_finding_and_so_says_junit(tmp_path: Path) -> None:
    write(tmp_path, "tests: [{name: 'It <opens> \"&', request: /open, expect: allow}]")
    result = gatectl("--fail-under", "50", "-o", "junit", directory=tmp_path)
    assert result.returncode == 3
    root = ET.fromstring(result.stdout)  # noqa: S314 - our own
    suites = {one.get("name"): one for one in root}
    assert suites["tests.yaml"].attrib.items() >= {"tests": "1", "failures": "0"}.items()
    (case,) = suites["tests.yaml"]
    assert case.attrib.items() >= {"name": 'It <opens> "&', "file": "tests.yaml", "line": "1"}.items()
    (low,) = suites["coverage"]
    (failure,) = low
    assert failure.get("message") == "25% are covered, and 50% are asked for"


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text() | st.none())
def test_junit_is_xml_whatever_the_tests_are_called(name: str, failure: str | None) -> None:
    document = junit([(name, [Case(name, failure, f"{name}:1:2", 0.5)])])
    (suite_element,) = ET.fromstring(document)  # noqa: S314 - our own
    (case,) = suite_element
    assert case.get("line") == "1"
    assert len(case) == (failure is not None)
