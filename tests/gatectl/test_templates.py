"""The marks: whatever a value holds, it arrives as itself, and a template that could bend it is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.render import templates

NASTY: list[Any] = [
    "",
    " ",
    "no",
    "012",
    "1:30",
    "null",
    "~",
    "-",
    "- a",
    "a: b",
    "{a: b}",
    "[a, b]",
    "*a",
    "&a b",
    "!!python/object:os.system a",
    "# a",
    "a #b",
    "'",
    '"',
    "\\",
    '"}, "x": {"',
    "a\nb: c\n",
    "\r\n\t",
    "\0\x1b\x7f\x85",
    "\u2028\u202e\ufeff",
    "é𝄞",
    "\ue000revision\ue000",
    "\ue0010\ue001",
    "\ue001",
    "\ud800",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "{# a #}",
    "%REQ(x)% 100% %%",
    "${HOME}",
    "<b>&amp;</b>",
    "---\n...\n",
    "y" * 100_000,
]
NASTIER: list[Any] = [None, True, False, 0, -1, 2**70, 1.5, [], {}, [[None]], {"a": {"": [1]}}]

Render = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Render]:
    """``render(source, **data)`` fills a template that is written on the spot."""
    directory = tmp_path_factory.mktemp("templates")
    count = 0

    def fill(source: str, **data: Any) -> dict[str, Any]:
        nonlocal count
        count += 1
        (directory / f"t{count}.yaml.j2").write_text(source)
        return templates.render(f"t{count}", **data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "directory", lambda: directory)
        templates._environment.cache_clear()
        yield fill
    templates._environment.cache_clear()


@pytest.mark.parametrize("value", [*NASTY, *NASTIER], ids=lambda value: ascii(value)[:30])
def test_a_value_arrives_unchanged_wherever_it_stands(render: Render, value: Any) -> None:
    source = """
leaf: {{ v }}
flow: {leaf: {{ v }}, list: [{{ v }}, 1, {{ v }}]}
list:
- {{ v }}
- inner: {{ v }}
{% for item in values %}
- {{ item }}
{% endfor %}
child: {{ child }}
"""
    message = render(source, v=value, values=[value, "other", value], child={"deep": [value]})
    assert message == {
        "leaf": value,
        "flow": {"leaf": value, "list": [value, 1, value]},
        "list": [value, {"inner": value}, value, "other", value],
        "child": {"deep": [value]},
    }


@pytest.mark.parametrize("key", NASTY, ids=lambda value: ascii(value)[:30])
def test_a_key_arrives_unchanged(render: Render, key: str) -> None:
    assert render("{{ k }}: 1\nin: { {{ k }}: 2}\n", k=key) == {key: 1, "in": {key: 2}}


@given(value=st.text() | st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_any_value_arrives_unchanged(render: Render, value: Any) -> None:
    assert render("a: {{ v }}\nb: [{{ v }}]\n", v=value) == {"a": value, "b": [value]}


def test_a_tuple_arrives_as_a_list(render: Render) -> None:
    assert render("a: {{ v }}", v=("x", "y")) == {"a": ["x", "y"]}


@pytest.mark.parametrize(
    "source",
    [
        "a: x{{ v }}",
        "a: {{ v }}x",
        "a: {{ v }}0",  # a digit behind a mark must not become part of its number
        "a: {{ v }}s",
        "a: {{ v }}{{ v }}",
        "a: '{{ v }} '",
        "a: x {{ v }}",
        "a: [x-{{ v }}]",
        "x{{ v }}: 1",
        "a: |\n  {{ v }}\n  b\n",
        "a: >\n  {{ v }}\nb: 1\n",
    ],
)
def test_a_mark_inside_a_longer_text_is_refused(render: Render, source: str) -> None:
    with pytest.raises(ValueError, match="must stand alone"):
        render(source, v="v")


@pytest.mark.parametrize(
    "source",
    [
        "a: {{ missing }}",
        "a: {{ v.missing }}",
        "a: {{ v.missing.deeper }}",
        "{% if missing %}a: 1{% endif %}",
        "{% for x in missing %}- {{ x }}{% endfor %}",
        "{{ missing }}: 1",
    ],
)
def test_an_undefined_name_is_an_error(render: Render, source: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        render(source, v={})


def test_the_same_branches_with_other_values_share_nothing(render: Render) -> None:
    """Parsed templates are cached: what is filled in must be a copy."""
    first = render("a: {b: [{{ v }}]}", v=1)
    first["a"]["b"].append("spoilt")
    assert render("a: {b: [{{ v }}]}", v=2) == {"a": {"b": [2]}}


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(1, "0.001s"), (999, "0.999s"), (1000, "1s"), (1500, "1.500s"), (31_622_400_000, "31622400s")],
)
def test_a_duration_is_written_as_protobuf_wants_it(milliseconds: int, text: str) -> None:
    assert templates.seconds(milliseconds) == text


@pytest.mark.parametrize("path", sorted(templates.directory().rglob("*.j2")), ids=lambda path: path.name)
def test_a_template_holds_no_character_that_marks_are_made_of(path: Path) -> None:
    assert "\ue001" not in path.read_text()


def test_a_template_is_read_as_yaml_once_for_every_shape(render: Render) -> None:
    before = templates._parse.cache_info().misses
    for value in range(50):
        render("once: {{ v }}\n", v=value)
    assert templates._parse.cache_info().misses == before + 1
