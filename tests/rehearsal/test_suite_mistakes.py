"""Files of tests: what may be written, and what is told of mistakes."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.diagnostics import SpecError
from gatectl.rehearsal import references, suite
from gatectl.rehearsal.suite import Script
from gatectl.rollout.candidate import read
from tests.rehearsal.specs import write

EXAMPLE = Path(__file__).parents[2] / "examples" / "customer-support"


def mistakes(directory: Path, tests: str) -> list[str]:
    path = write(directory, tests)
    try:
        script = suite.load(str(path), [], {})
        references.check(script, read(script.files).spec)
    except SpecError as error:
        return [str(one).removeprefix(f"{path}:").replace("error", "", 1) for one in error.diagnostics]
    return []


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ("", ["1:1: [GC0002] the file is empty"]),
        ("- a", ["1:1: [GC0102] a file of tests is a mapping of fields"]),
        ("tests: []", ['1:8: [GC0106] "tests" needs at least 1 entry, not a list']),
        (
            "tests: [{request: GET /, expect: allow}]\ntest: 1",
            ['2:1: [GC0100] unknown field "test" (did you mean "tests"?)'],
        ),
        ("tests: [{request: GET /}]", ['1:9: [GC0101] "expect" is missing']),
        (
            "tests: [{request: GET, expect: allow}, {request: A B C, expect: allow}]",
            [
                f'1:{column}: [GC0106] "request": name a request as METHOD and PATH, such as: GET /api/v1/tickets,'
                f' not "{text}"'
                for column, text in ((19, "GET"), (50, "A B C"))
            ],
        ),
        (
            "tests: [{request: /, expect: alow}]",
            ["""1:30: [GC0102] "expect" must be 'allow' or 'deny', not "alow" (did you mean "allow"?)"""],
        ),
        (
            "tests: [{request: /, expect: 99}]",
            ['1:30: [GC0106] "expect" input should be greater than or equal to 100, not "99"'],
        ),
        (
            "tests: [{request: /, expect: {stats: 200, route: opn, reason: nope}, as: nobody}]",
            ['1:31: [GC0100] unknown field "stats" (did you mean "status"?)'],
        ),
        (
            "tests: [{request: /, expect: {route: opn, reason: key-invald, limits: [fw], refused_by: x}, as: me}]",
            [
                '1:38: [GC0103] a test names an unknown route "opn" (did you mean "open"?)',
                '1:51: [GC0103] a test names an unknown reason "key-invald" (did you mean "key-invalid"?)',
                '1:72: [GC0103] a test names an unknown rate limit "fw" (did you mean "few"?)',
                '1:89: [GC0103] a test names an unknown rate limit "x" (known: few, many)',
                '1:97: [GC0103] a test names an unknown caller "me" (known: none)',
            ],
        ),
        (
            "callers: {x: {user: a, key: b}, y: {jwt: {}}}\ntests: [{request: /, expect: deny}]",
            [
                '1:11: [GC0108] caller "x" is described by user and key: one way is enough',
                '1:33: [GC0108] caller "y" has a token, but the gateway takes none',
            ],
        ),
        (
            "tests: [{request: {path: '/${X}'}, expect: deny}]",
            ["1:26: [GC0004] the environment variable X is not set (set it, or give a default: ${X:-…})"],
        ),
    ],
)
def test_every_mistake_has_its_place_and_its_sentence(tmp_path: Path, tests: str, told: list[str]) -> None:
    assert mistakes(tmp_path, tests) == told


def test_a_spec_that_is_wrong_or_not_there_is_told_as_everywhere(tmp_path: Path) -> None:
    assert "GC0001" in mistakes(tmp_path, "spec: other.yaml\ntests: [{request: /, expect: deny}]")[0]


SUITE: dict[str, Any] = yaml.safe_load((EXAMPLE / "tests.yaml").read_text())
SPEC = read([str(EXAMPLE / "gateway.yaml")]).spec
scraps = st.sampled_from(
    [None, "", "x", 0, -1, 1e9, True, [], {}, {"a": {}}, ["a"], "GET /x", {"path": "/"}, "\x00", "é"]
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_spoilt_file_of_tests_is_refused_with_places_or_can_be_run(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = copy.deepcopy(SUITE)
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(node[key], (dict, list)) and node[key] and data.draw(st.integers(0, 3)):
                node = node[key]
                continue
            if data.draw(st.booleans()) and isinstance(node, dict):
                node[data.draw(st.sampled_from(["x", "jwt", "key", "sent", "repeat", "host"]))] = node.pop(key)
            else:
                node[key] = copy.deepcopy(data.draw(scraps))  # another turn of the loop may change it
            break
    path = tmp_path_factory.getbasetemp() / "spoilt.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        script: Script = suite.load(str(path), ["gateway.yaml"], {})
        references.check(script, SPEC)
    except SpecError as error:
        placeless = [one for one in error.diagnostics if one.location is None]
    else:
        placeless = []
        assert all(test.expectation and test.request.request() and test.title for test in script.suite.tests)
    assert placeless == []
