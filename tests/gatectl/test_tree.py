"""YAML as it is read here: YAML 1.2 scalars, no tags, no duplicate keys, bounded, and every node knows its place."""

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.diagnostics import Location
from serving.yaml_nodes import MAX_DEPTH
from tests.gatectl.specs import tree

SCALARS: dict[str, Any] = {
    # what YAML 1.1 would make a truth value, an octal or a sexagesimal number, a date
    "no": "no",
    "on": "on",
    "y": "y",
    "Off": "Off",
    "012": 12,
    "0o17": "0o17",
    "0x1f": "0x1f",
    "1_000": "1_000",
    "1:30": "1:30",
    "190:20:30": "190:20:30",
    "2026-07-01": "2026-07-01",
    "=": "=",
    "<<": "<<",
    "true": True,
    "True": True,
    "FALSE": False,
    "tRUE": "tRUE",
    "null": None,
    "~": None,
    "": None,
    "Nul": "Nul",
    "+1": 1,
    "-0": 0,
    "٣": "٣",
    "1.5": 1.5,
    "1e3": 1000.0,
    ".5": 0.5,
    "1.": 1.0,
    ".": ".",
    ".inf": ".inf",
    "1e999": math.inf,
    "9" * 20: int("9" * 20),
    "9" * 5000: "9" * 5000,  # more than CPython is willing to parse
    '"012"': "012",
    "'true'": "true",
    '"\\0\\e"': "\0\x1b",
    "!!str 12": "12",
    "!!int 12": 12,
    "!!null ''": None,
    "|\n  a\n  b\n": "a\nb\n",
    ">-\n  a\n  b\n": "a b",
    "12 # twelve": 12,
    "\ufeff": "\ufeff",
}


@pytest.mark.parametrize("written", SCALARS, ids=lambda written: repr(written[:20]))
def test_a_scalar_means_what_yaml_1_2_says(written: str) -> None:
    node, found = tree(f"a: {written}\n")
    assert found == []
    assert node is not None
    value = node.plain()["a"]
    assert (value, type(value)) == (SCALARS[written], type(SCALARS[written]))


WRONG = {
    "a: [": "2:1: error[GC0002]",
    "a: b: c": "1:5: error[GC0002] mapping values are not allowed in this context",
    "a:\n\t- b": "2:1: error[GC0002]",
    "a: 'x": "1:6: error[GC0002]",
    "a: @b": "1:4: error[GC0002]",
    "a: *nobody": "1:4: error[GC0002] found undefined alias",
    "a: 1\n---\nb: 2": "2:1: error[GC0002] expected a single document",
    "%TEMPLATE\n---\na: b": "1:10: error[GC0002]",
    "x: 1\na: \x00": "2:4: error[GC0002] control characters are not allowed (#x0000)",
    "é: \x07": "1:4: error[GC0002] control characters are not allowed (#x0007)",
    'a: "\\ud800"': "1:7: error[GC0002]",
    "": "1:1: error[GC0002] the file is empty",
    "# nothing": "1:1: error[GC0002] the file is empty",
    "[a, b]": "1:1: error[GC0102] a gateway spec is a mapping of fields",
    "text": "1:1: error[GC0102]",
    "~": "1:1: error[GC0102]",
    "? [a, b]\n: c": "1:3: error[GC0102] a key must be a plain word",
    "a: {b: {c: 1, c: 2}}": '1:15: error[GC0003] "c" stands twice (first on line 1)',
    "a: 1\nb: 2\n'a': 3": '3:1: error[GC0003] "a" stands twice (first on line 1)',
    "a: !!python/object:os.system {a: b}": "1:4: error[GC0102] the YAML tag tag:yaml.org,2002:python/object:os.system",
    "a: !!python/object/apply:os.system [ls]": "1:4: error[GC0102] the YAML tag",
    "a: !!python/name:os.system": "1:4: error[GC0102] the YAML tag",
    "!!python/name:os.system a: b": "1:1: error[GC0102] the YAML tag",
    "a: !mine b": "1:4: error[GC0102] the YAML tag !mine is not supported",
    "a: !!binary aGk=": "1:4: error[GC0102] the YAML tag",
    "a: !!set {b, c}": "1:4: error[GC0102] the YAML tag",
    "a: !!int twelve": '1:4: error[GC0102] "twelve" is not written as a YAML int',
    "a: !!int ''": "1:4: error[GC0102]",
    "a: !!float x": "1:4: error[GC0102]",
    "a: !!bool maybe": "1:4: error[GC0102]",
    "a: !!null x": "1:4: error[GC0102]",
    "a: &x [*x]": "1:4: error[GC0002] an alias makes the file endless or far too large",
    "a: &x {b: *x}": "1:4: error[GC0002] an alias makes the file endless or far too large",
}


@pytest.mark.parametrize("text", WRONG, ids=repr)
def test_a_mistake_is_told_with_its_place(text: str) -> None:
    _, found = tree(text)
    assert [one for one in found if one.startswith(WRONG[text])], found
    assert len(found) == 1


@pytest.mark.parametrize("text", ["\ufeffa: 1\nb: {c: 2}\n", "a: 1\r\nb: {c: 2}\r\n", "a: 1\rb:\r  c: 2\r"])
def test_a_byte_order_mark_and_any_line_ending_are_fine(text: str) -> None:
    node, found = tree(text)
    assert found == []
    assert node is not None
    assert node.plain() == {"a": 1, "b": {"c": 2}}
    assert node.find(("b", "c")).at.line == 2 + text.count("\rb:\r")


def test_a_merge_key_is_a_key_like_any_other() -> None:
    """YAML 1.2 has none; as an unknown field it is reported by the types."""
    node, found = tree("a: &x {b: 1}\nc:\n  <<: *x\n")
    assert found == []
    assert node is not None
    assert node.plain()["c"] == {"<<": {"b": 1}}


def test_an_alias_stands_for_its_anchor() -> None:
    node, found = tree("a: &x {b: [1, 2]}\nc: *x\n")
    assert found == []
    assert node is not None
    assert node.plain()["c"] == {"b": (1, 2)}


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 10_000 + "]" * 10_000,
        "a: " + "{a: " * 10_000 + "}" * 10_000,
        "a:\n  " + "- " * 10_000 + "x",
        "".join("  " * level + "a:\n" for level in range(1000)),
        "a: " + "[" * 1_000_000,  # the composer recurses in C: without a bound the process would die
        "".join(f"a{i}: &a{i} {'[' * 30}{f'*a{i - 1}' if i else 1}{']' * 30}\n" for i in range(1000)),
    ],
    ids=["lists", "mappings", "dashes", "indentation", "unclosed", "aliases"],
)
def test_a_file_nested_without_end_is_an_error_not_a_crash(text: str) -> None:
    _, found = tree(text)
    assert len(found) == 1
    assert "error[GC0002]" in found[0]


def test_nesting_is_allowed_far_beyond_what_the_language_needs() -> None:
    depth = MAX_DEPTH - 4
    _, found = tree("a: " + "[" * depth + "]" * depth)
    assert found == []


def test_a_billion_laughs_end_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    started = time.process_time()
    _, found = tree("\n".join(lines))
    assert [one.partition("]")[2] for one in found] == [" an alias makes the file endless or far too large"]
    assert time.process_time() - started < 1


@pytest.mark.parametrize("line", ["- a\n", "k: 1\n", "# comment\n"])
def test_ten_megabytes_take_seconds_not_minutes(line: str) -> None:
    text = "a:\n" + line * (10_000_000 // len(line)) if line[0] == "-" else line * (10_000_000 // len(line))
    started = time.process_time()
    _, found = tree(text)
    assert len(found) == 1
    assert time.process_time() - started < 15


@given(st.text())
def test_no_text_whatever_is_more_than_an_error(text: str) -> None:
    node, found = tree(text)
    assert node is not None or found


@given(
    st.recursive(st.integers(-9, 99) | st.booleans(), lambda inner: st.dictionaries(st.text("ab", min_size=1), inner))
)
def test_every_node_stands_where_it_says(data: Any) -> None:
    lines: list[str] = []

    def write(value: Any, path: tuple[str, ...]) -> None:
        for key, child in value.items():
            nested = isinstance(child, dict) and child
            lines.append(f"{'  ' * len(path)}{key}:" + ("" if nested else f" {str(child).lower()}"))
            places[(*path, key)] = Location("f", len(lines), 2 * len(path) + 1)
            if nested:
                write(child, (*path, key))

    places: dict[tuple[str, ...], Location] = {}
    write({"root": data}, ())
    node, found = tree("\n".join(lines))
    assert found == []
    assert node is not None
    assert node.plain() == {"root": data}
    for path, at in places.items():
        assert node.find(path).key_at == at
