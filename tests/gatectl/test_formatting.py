"""`gatectl fmt`: one style, the same meaning, every comment, and files that are written whole or not at all."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatectl.diagnostics import GatectlError, SpecError
from gatectl.rollout import fmt
from gatectl.spec.formatting import formatted, layout
from gatectl.spec.scaffold import scaffold
from tests.gatectl.specs import tree

ROOT = Path(__file__).parents[2]
README = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
WELL_WRITTEN = {
    "example": (ROOT / "examples" / "customer-support" / "gateway.yaml").read_text(),
    "readme": README,
    "scaffold": scaffold(),
    "e2e": (ROOT / "tests" / "e2e" / "gateway.yaml").read_text(),
    **{
        path.parent.name: path.read_text()
        for path in (ROOT / "tests" / "golden").glob("*/spec.yaml")
        if (path.parent / "bundle").exists()
    },
}


@pytest.mark.parametrize("name", WELL_WRITTEN)
def test_the_specs_of_this_project_are_formatted(name: str) -> None:
    assert formatted(name, WELL_WRITTEN[name]) == WELL_WRITTEN[name]


TIDIED = {
    "indentation": ("a:\n      b:\n         - c\n", "a:\n  b:\n    - c\n"),
    "a list as deep as its field": ("a:\n- b: 1\n  # c\n  d: 2\n- e\n", "a:\n  - b: 1\n    # c\n    d: 2\n  - e\n"),
    "comments follow": (
        "a:\n    # one\n    b: 1\n    # two\n# three\nc: 1\n",
        "a:\n  # one\n  b: 1\n  # two\n# three\nc: 1\n",
    ),
    "quotes": ("a: 'b'\nc: 'd\"e'\nf: \"'\"\n", 'a: "b"\nc: \'d"e\'\nf: "\'"\n'),
    "blanks": ("a:   1   \n\n\n\nb:  {c:   1}\n\n", "a: 1\n\nb: {c: 1}\n"),
    "marks of a document": ("\ufeff---\r\na: 1\r\n...\r\n", "a: 1\n"),
    "one pair in a list": ("a: [{b: 1}]\n", "a: [{b: 1}]\n"),
    "brackets over lines stay": ("a:\n    b: [1, # one\n        2]\n", "a:\n  b: [1, # one\n      2]\n"),
    "words that YAML 1.1 knows": (
        "a: [no, 012, 1:30, ~, 0x1f, 1_0, Yes, .5]\n",
        "a: [no, 012, 1:30, ~, 0x1f, 1_0, Yes, .5]\n",
    ),
    "texts in blocks": (
        "a:\n    b: |\n       # no comment\n\n\n       x\n    c: >-\n      y\n",
        "a:\n  b: |\n    # no comment\n\n\n    x\n  c: >-\n    y\n",
    ),
    "references": ("a: ${B}\nc: '${D:-e}'\n", 'a: ${B}\nc: "${D:-e}"\n'),
    "anchors": ("b: &x {c: 1}\na: *x\n", "b: &x {c: 1}\na: *x\n"),
    "the order of the language": (
        "# on top\n\n# of routes\nroutes: [a] # x\nupstreams:\n  - b\n# of name\nname: n\nunknown: 1\nversion: 1\n# last\n",  # noqa: E501 - a row of a table
        "# on top\n\nversion: 1\n\n# of name\nname: n\n\nupstreams:\n  - b\n\n# of routes\nroutes: [a] # x\nunknown: 1\n# last\n",  # noqa: E501 - a row of a table
    ),
    "json stays": ('{"b": 1,\n "a": 2}\n', '{"b": 1,\n "a": 2}\n'),
}


@pytest.mark.parametrize("case", TIDIED)
def test_a_text_is_tidied_once_and_for_all(case: str) -> None:
    before, after = TIDIED[case]
    assert formatted("f", before) == after
    assert formatted("f", after) == after


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "", "- a\n", "a: !mine b\n", "a: *x\n"])
def test_what_is_no_spec_is_told_and_never_written(tmp_path: Path, text: str) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("a:   1\n")
    bad.write_text(text)
    with pytest.raises(SpecError) as caught:
        fmt.write(fmt.read([str(good), str(bad)]))
    assert {one.location.file for one in caught.value.diagnostics if one.location} == {str(bad)}
    assert (good.read_text(), bad.read_text()) == ("a:   1\n", text)


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "spec.yaml", tmp_path / "link.yaml"
    file.write_text("a:   1\n")
    file.chmod(0o664)
    link.symlink_to(file)
    fmt.write(fmt.read([str(link)]))
    assert link.is_symlink()
    assert file.read_text() == "a: 1\n"
    assert file.stat().st_mode & 0o777 == 0o664
    assert sorted(tmp_path.iterdir()) == [link, file]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "conf" / "a.yaml"
    file.parent.mkdir()
    file.write_text("a:   1\n")
    found = fmt.read([str(file.parent)])
    file.unlink()
    file.parent.rmdir()
    with pytest.raises(GatectlError, match="cannot be written"):
        fmt.write(found)


WORDS = st.sampled_from(
    [
        "a",
        "no",
        "012",
        "1:30",
        "~",
        "null",
        "true",
        "x y",
        "/p/{id}",
        "1e3",
        "ü",
        "#",
        "a #b",
        "a: b",
        "'",
        '"',
        "\\",
        "- a",
        "*x",
        "${A:-b}",
        "",
        "{",
        "%",
        "\t",
        "100/minute",
        "@",
        "`",
        "|",
        ">-",
        "&a",
        "!t",
        "?",
        "long " * 40,
    ]
)
KEYS = st.sampled_from(["routes", "version", "name", "upstreams", "x", "no", "y y", "012", "listener"])
DATA = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


def scalar(draw: Any, text: str) -> str:
    """A text as somebody may write it."""
    plain = re.fullmatch(r"[A-Za-z0-9/][A-Za-z0-9/ :.-]*(?<![ :])", text) and ": " not in text
    match draw(st.integers(0, 2)):
        case 0 if plain:
            return text
        case 1 if "\t" not in text:
            return "'" + text.replace("'", "''") + "'"
        case _:
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def remark(draw: Any, column: int) -> list[str]:
    """What stands between two lines: nothing, mostly."""
    depth = draw(st.sampled_from([column, 0, column + 2]))
    return draw(
        st.sampled_from([[]] * 5 + [[""], ["", "", ""], [" " * depth + "# c"], ["", " " * depth + "#c 'd", ""]])
    )


def flow(draw: Any, data: Any, column: int) -> str:
    gap = draw(st.sampled_from([" ", " ", "  ", "\n" + " " * (column + 3), " # in\n" + " " * (column + 1)]))
    if isinstance(data, dict):
        pairs = (f"{scalar(draw, key)}: {flow(draw, value, column)}" for key, value in data.items())
        return "{" + f",{gap}".join(pairs) + "}"
    if isinstance(data, list):
        return "[" + f",{gap}".join(flow(draw, value, column) for value in data) + "]"
    return scalar(draw, data) if draw(st.booleans()) else '"' + re.sub(r'["\\\t]', "", data) + '"'


def block(draw: Any, data: Any, column: int, step: int, *, behind_dash: bool = False) -> list[str]:
    """A mapping or list as lines, each with the remarks above it; none between a dash and its first field."""
    lines: list[str] = []
    items = data.items() if isinstance(data, dict) else ((None, value) for value in data)
    for key, value in items:
        lines += [] if behind_dash and not lines else remark(draw, column)
        head = " " * column + ("-" if key is None else f"{scalar(draw, key)}:")
        note = draw(st.sampled_from(["", "", "  # n", " # it's: [n"]))
        if isinstance(value, str):
            lines.append(f"{head} {scalar(draw, value)}{note}")
        elif value and not (key is None and isinstance(value, list)) and draw(st.booleans()):  # the language has none
            below = block(draw, value, column + step, step, behind_dash=key is None)
            lines += [head + ("" if key is None else note), *below]
        else:
            lines.append(f"{head} {flow(draw, value, column)}{note}")
    return lines + remark(draw, column)


@st.composite
def texts(draw: st.DrawFn) -> str:
    data = draw(st.dictionaries(KEYS, DATA, min_size=1, max_size=5))
    return "\n".join(block(draw, data, 0, draw(st.integers(1, 5)))) + draw(st.sampled_from(["", "\n", "\n\n"]))


@settings(max_examples=150)
@given(texts())
def test_meaning_and_comments_are_kept_and_a_second_time_changes_nothing(text: str) -> None:
    before, mistakes = tree(text)
    assert mistakes == []
    after = formatted("f", text)
    assert before is not None
    found, mistakes = tree(after)
    assert mistakes == []
    assert found is not None
    assert found.plain() == before.plain()
    assert layout.comments(after) == layout.comments(text)
    assert formatted("f", after) == after


@given(st.text(alphabet="ab:- \n#'\"[]{}|>&*!\t,~1\r\x85\u2028", max_size=60))
@settings(max_examples=60)
def test_any_text_is_formatted_or_refused(text: str) -> None:
    try:
        after = formatted("f", text)
    except SpecError:
        return
    assert formatted("f", after) == after
