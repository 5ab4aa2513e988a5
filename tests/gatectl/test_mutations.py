"""No input is more than an error: any text, and good specs after accidents."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatectl.compiler import compile_spec
from gatectl.diagnostics import SpecError
from gatectl.render.bundle import build
from gatectl.spec.load import load
from tests.gatectl.specs import tree

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "customer-support" / "gateway.yaml").read_text()
EVERYTHING = (ROOT / "tests" / "golden" / "everything" / "spec.yaml").read_text()


def judge(directory: Path, content: str) -> None:
    """What every text must be: a spec that compiles, the same way each time, or mistakes that say where they are."""
    path = directory / f"{os.getpid()}.yaml"
    path.write_bytes(content.encode())
    try:
        first, second = (build(compile_spec(load([str(path)], {})[0])) for _ in range(2))
    except SpecError as error:
        found = error.diagnostics
    else:
        assert first == second
        return
    assert found
    assert [one for one in found if one.location is None and str(path) not in one.message] == []
    assert [one for one in found if not str(one).isprintable()] == []


@given(content=st.text())
@example(content="a: !!int x")
@example(content="[" * 100_000)
def test_any_text_is_a_spec_or_its_mistakes(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    judge(tmp_path_factory.getbasetemp(), content)


WORDS = [
    "",
    "~",
    "[]",
    "{}",
    "-1",
    "0",
    "1e999",
    "٣s",
    "1/1s",
    '"\\0"',
    '"\\e["',
    "*x",
    "&x y",
    "!!int z",
    "${A}",
    "- a",
]
WORDS += [
    "true",
    "9" * 5000,
    "9" * 400 + "s",
    "9" * 5000 + "B",
    "9" * 5000 + "/day",
    "[a, [b]]",
    "{a: {b: c}}",
    "/..",
    "é",
]


def data_of(text: str) -> Any:
    """A spec as data, read as we read it: to PyYAML, the field ``on`` is a truth."""
    node, _ = tree(text)
    assert node is not None
    return json.loads(json.dumps(node.plain()))


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every node of some data, the root first."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, child in children for below in paths(child, (*path, key)))]


NODES = st.sampled_from(
    [None, True, 0, -1, 2**70, 1e999, "", "a", "/", "\0", "ü", [], {}, [[]], [None], {"": ""}, {"a": {}}]
)


@st.composite
def transplanted(draw: st.DrawFn) -> str:
    """A good spec in which nodes are gone, doubled, of another kind, or where another one was."""
    data = data_of(draw(st.sampled_from([EXAMPLE, EVERYTHING])))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(paths(data)[1:]))
        parent = data
        for step in above:
            parent = parent[step]
        match draw(st.integers(0, 3)):
            case 0:
                parent[last] = copy.deepcopy(draw(NODES))
            case 1:
                del parent[last]
            case 2 if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[last]))
            case _:
                source: Any = data
                for step in draw(st.sampled_from(paths(data))):
                    source = source[step]
                parent[last] = copy.deepcopy(source)
    return json.dumps(data)


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A good spec after a few accidents with an editor: by line, or by the value or key on one."""
    lines = draw(st.sampled_from([EXAMPLE, EVERYTHING])).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        match draw(st.integers(0, 6)):
            case 0:
                lines[index] = ""
            case 1:
                lines.insert(draw(st.integers(0, len(lines))), line)
            case 2:
                lines[index] = draw(st.sampled_from(["", "  ", "\t"])) + line.lstrip()
            case 3:
                lines[index] = line.partition(":")[0] + ": " + draw(st.sampled_from(WORDS))
            case 4:
                words = line.replace("{", "{ ").replace("}", " }").replace("[", "[ ").replace("]", " ]").split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS) | st.text(max_size=3))
                lines[index] = " ".join(words)
            case 5:
                lines[index] = line[: draw(st.integers(0, len(line)))]
            case 6:
                lines[index] = line.replace(
                    *draw(st.sampled_from([("name: ", "nmae: "), ("[", ""), (":", ""), (",", "")]))
                )
    return "\n".join(lines)


@given(content=mutilated() | transplanted())
def test_a_mutilated_spec_is_a_spec_or_its_mistakes(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    judge(tmp_path_factory.getbasetemp(), content)
