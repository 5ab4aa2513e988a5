"""References to the environment: filled in leaf by leaf, typed by their field, and never shown."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.spec.model import AccessRule
from tests.gatectl.specs import MINIMAL, mistakes, route, spec, text, tree

ENVIRON = {"WORD": "word", "EMPTY": "", "HOSTILE": "[a, {b: ${WORD}}]\n# no: more", "NUMBER": "12", "TRUE": "true"}
REFERENCES = {
    "${WORD}": "word",
    "${WORD}-${NUMBER}": "word-12",
    "${UNSET:-default}": "default",
    "${UNSET:-}": "",
    "${EMPTY:-default}": "default",
    "${EMPTY}": "",
    "${UNSET:-a:-b}": "a:-b",
    "${UNSET:-${WORD}": "${WORD",  # references do not nest: the first brace closes
    "$${WORD}": "${WORD}",
    "$$${WORD}": "$${WORD}",
    "$WORD": "$WORD",
    "$": "$",
    "a$b$$c": "a$b$$c",
    "${HOSTILE}": ENVIRON["HOSTILE"],
    "${NUMBER}": "12",
    "${TRUE}": "true",
}


@pytest.mark.parametrize("written", REFERENCES)
def test_a_reference_is_filled_in_as_text(written: str) -> None:
    """A value never adds structure, and what it is, number or truth value, is said by the field."""
    node, found = tree(f'a: "{written}"\n', ENVIRON)
    assert found == []
    assert node is not None
    assert node.plain()["a"] == REFERENCES[written]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${UNSET}", "the environment variable UNSET is not set (set it, or give a default: ${UNSET:-…})"),
        ("${", '"${" is not an environment reference'),
        ("${}", '"${}" is not an environment reference'),
        ("${WORD", '"${WORD" is not an environment reference'),
        ("${A B}", '"${A B}" is not an environment reference'),
        ("${1A}", '"${1A}" is not an environment reference'),
        ("${WORD-x}", '"${WORD-x}" is not an environment reference'),
        ("${É}", '"${É}" is not an environment reference'),
    ],
)
def test_a_wrong_reference_is_told(written: str, message: str) -> None:
    _, found = tree(f'a:\n  b: "{written}"\n', ENVIRON)
    assert len(found) == 1
    assert found[0].startswith(f"2:6: error[GC0004] {message}")


def test_a_reference_in_a_key_or_a_comment_is_left_alone() -> None:
    node, found = tree("${UNSET}: 1 # ${UNSET}\n")
    assert found == []
    assert node is not None
    assert node.plain() == {"${UNSET}": 1}


@pytest.mark.parametrize(("value", "port"), [("8081", 8081), ("1", 1), ("65535", 65535)])
def test_a_number_field_reads_a_number(tmp_path: Path, value: str, port: int) -> None:
    assert spec(tmp_path, text(listener={"port": "${PORT}"}), {"PORT": value}).listener.port == port
    assert spec(tmp_path, text(listener={"port": "${PORT:-" + value + "}"})).listener.port == port


@pytest.mark.parametrize(
    "value", ["true", "null", "1.0", "80.5", "1e2", "0x50", "080", "8_0", " 80", "80 ", "80\n", "٨٠", "[80]", "", "-"]
)
def test_a_number_field_takes_nothing_that_only_looks_like_one(tmp_path: Path, value: str) -> None:
    found = mistakes(tmp_path, text(listener={"port": "${PORT}"}), {"PORT": value})
    assert len(found) == 1
    assert 'error[GC0102] "port" must be a whole number, not "${PORT}"' in found[0]


def test_a_text_field_keeps_a_number_as_text(tmp_path: Path) -> None:
    environ = {"HOST": "10.0.0.1", "PORT": "80", "VERSION": "2", "HOLD": "true"}
    match = {"path": "/r", "headers": {"x-version": "${VERSION}", "x-hold": "${HOLD}"}}
    fields = text(upstreams={"u": {"endpoints": ["${HOST}:${PORT}"]}}, routes=[route(match=match)])
    read = spec(tmp_path, fields, environ)
    assert read.upstreams["u"].endpoints == ("10.0.0.1:80",)
    assert read.routes[0].match.headers == {"x-version": "2", "x-hold": "true"}


def test_truth_values_words_and_durations_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"FORWARD": "true", "ACCESS": "authenticated", "TIMEOUT": "250ms", "V": "1"}
    fields = text(
        version="${V}",
        authentication={"api_keys": {}, "forward_credentials": "${FORWARD}"},
        routes=[route(access="${ACCESS}", timeout="${TIMEOUT}")],
    )
    read = spec(tmp_path, fields, environ)
    assert read.authentication.forward_credentials is True
    assert (read.routes[0].access, read.routes[0].timeout) == ("authenticated", 250)


@pytest.mark.parametrize("value", ["{}", "[{}]", '{"roles": null}', "null", "[" * 100_000, "{" * 100_000])
@pytest.mark.parametrize("field", ["access", "timeout", "cors", "match"])
def test_a_value_never_becomes_structure(tmp_path: Path, field: str, value: str) -> None:
    """An access rule ``{}`` is open to every caller: no variable may bring one in."""
    found = mistakes(tmp_path, text(routes=[route(**{field: "${VALUE}"})]), {"VALUE": value})
    assert len(found) == 1
    assert '"${VALUE}"' in found[0]


def test_an_anchored_reference_may_be_a_number_here_and_text_there(tmp_path: Path) -> None:
    content = text() + "rate_limits: []\n"
    content = content.replace("address: 127.0.0.1", "port: &port ${PORT}").replace(
        "path: /r", "path: /r, headers: {a: *port}"
    )
    content = content.replace("    path: /r, headers: {a: *port}", "    path: /r\n    headers: {a: *port}")
    read = spec(tmp_path, content, {"PORT": "8081"})
    assert (read.listener.port, read.routes[0].match.headers) == (8081, {"a": "8081"})


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, child in value.items() for leaf in _leaves(child, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, child in enumerate(value) for leaf in _leaves(child, (*path, index))]
    return [path]


def _replaced(value: Any, path: tuple[str | int, ...], leaf: str) -> Any:
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], leaf)
    return copy


@pytest.mark.parametrize("path", _leaves(MINIMAL), ids=str)
@pytest.mark.parametrize(
    "secret", ["hunter2 Secret!", "8_hunter2", "-hunter2", "hunter2\x1b[31m", "hunter2\udcff", "{hunter2"]
)
def test_no_message_shows_a_value(tmp_path: Path, path: tuple[str | int, ...], secret: str) -> None:
    found = mistakes(tmp_path, text(**_replaced(MINIMAL, path, "${SECRET}")), {"SECRET": secret})
    assert found
    assert not [one for one in found if "hunter2" in one]


def test_no_message_shows_a_name_that_came_from_a_value(tmp_path: Path) -> None:
    secret = "hunter2"
    wrong = {"per": ["user", "user"], "limit": "1/day", "routes": ["hunter3"]}
    fields = text(
        name="Wrong",
        authentication={"jwt": [{"name": "${S}", "issuer": "i", "audiences": ["a"], "jwks": {}}] * 2},
        routes=[
            route("${S}", {"path_template": "/{a}/{a}"}, upstream="hunter3", access={"where": "path.b == user.id"}),
            route("${S}", {"path_template": "/{a}/{a}"}, rewrite_prefix="/x"),
            route("${S}", {}, request_headers={"set": {"x-gate-user": "root"}}),
        ],
        rate_limits=[{"name": "${S}", **wrong}, {"name": "${S}", **wrong}],
        development={
            "keys": [{"user": "${S}"}],
            "requests": [{"title": "${S}", "path": "/", "key": "h", "expect": 200}],
        },
    )
    found = mistakes(tmp_path, fields, {"S": secret})
    assert len(found) >= 16
    assert not [one for one in found if secret in one]


@given(value=st.text())
def test_whatever_the_value_access_stays_what_is_written(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    directory = tmp_path_factory.getbasetemp()
    content = text(routes=[route(access=[{"roles": ["${VALUE}"]}])])
    if not mistakes(directory, content, {"VALUE": value}):
        assert spec(directory, content, {"VALUE": value}).routes[0].access == (AccessRule(roles=(value,)),)
