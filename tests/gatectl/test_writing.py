"""What an import writes reads back the same, whatever the words are, and looks as `gatectl fmt` would have it."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatectl.importing.names import Names, slug, variable
from gatectl.spec.formatting import formatted
from gatectl.spec.formatting.writing import written
from tests.gatectl.specs import tree

WORDS = ["true", "Null", "no", "012", "1e3", "~", "", "${HOME}", "$${A}", "${", "a: b", "a #b", "- a", "é", "5s", "x:1"]


def thawed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: thawed(one) for key, one in value.items()}
    return [thawed(one) for one in value] if isinstance(value, tuple) else value


def read_back(data: dict[str, Any]) -> Any:
    text = written(data, ["a heading"])
    node, mistakes = tree(text, {})
    assert mistakes == []
    assert node is not None
    assert formatted("f", text) == text
    return thawed(node.plain())


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_yaml_would_take_for_something_else_is_quoted(word: str) -> None:
    data = {"name": word, "routes": [{"name": word, "match": {"headers": {word or "k": word}}, "list": [word, word]}]}
    assert read_back(data) == data


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=8)


@given(st.dictionaries(TEXT, TEXT | st.integers(0, 99) | st.booleans() | st.lists(TEXT, max_size=3), min_size=1))
@example({"a": "\u2028", "b": "\x85", "c": "\ufeff"})
def test_any_words_come_back_as_they_were(data: dict[str, Any]) -> None:
    assert read_back({"routes": [{"name": "x", "match": data}]}) == {"routes": [{"name": "x", "match": data}]}


@given(st.lists(st.text(max_size=80)))
def test_names_are_valid_and_no_two_words_share_one(words: list[str]) -> None:
    names = Names()
    minted = {word: names.of(word, "other") for word in words}
    assert len(set(minted.values())) == len(set(words))
    assert [name for name in minted.values() if slug(name) != name or not 0 < len(name) <= 63] == []
    assert {word: names.of(word, "other") for word in words} == minted


@given(st.lists(st.text(max_size=10)))
def test_variables_of_a_path_are_valid_and_distinct(words: list[str]) -> None:
    taken: set[str] = set()
    for number, word in enumerate(words, 1):
        name = variable(word, taken, number)
        assert name not in taken
        assert name.isascii()
        assert name.replace("_", "a").isalnum()
        assert name[0].isalpha()
        taken.add(name)
