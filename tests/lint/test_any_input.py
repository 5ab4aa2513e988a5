"""No input breaks lint: whatever loads is judged, and whatever does not is told."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatectl.diagnostics import SpecError
from gatectl.lint.ignore import IgnoreList, ignored
from gatectl.lint.report import lint
from gatectl.spec.load import document
from tests.gatectl.test_mutations import transplanted
from tests.lint.linting import subject

ENTRIES = st.lists(
    st.dictionaries(
        st.sampled_from(["rule", "object", "reason", "more", "text"]),
        st.sampled_from(
            ["GL001", "gl1", '""', "~", "[a]", "{a: b}", "1", "'\\u0000'", "&a x", "*a", "${X}", "' '", "é"]
        ),
        max_size=4,
    ),
    max_size=3,
).map(lambda entries: "ignore: [" + ", ".join("{" + ", ".join(map(": ".join, e.items())) + "}" for e in entries) + "]")


@given(transplanted())
def test_whatever_loads_is_judged_with_places_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    directory = tmp_path_factory.getbasetemp()
    try:
        whole = subject(directory, content)
    except SpecError:
        return
    lines = (directory / "0.yaml").read_text().splitlines()
    report = lint(whole, (), "error", 0)
    for finding in report.findings:
        assert 1 <= finding.at.column <= len(lines[finding.at.line - 1]) + 1
        assert f"{finding.message} {finding.fix} {finding.object}".isprintable()
    assert report == lint(whole, (), "error", 0)


@given(st.text() | ENTRIES)
@example("ignore: {rule: GL001}")
@example("ignore: ~")
def test_any_text_is_an_ignore_list_or_its_mistakes(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.getbasetemp() / "list.yaml"
    path.write_bytes(content.encode(errors="surrogatepass"))
    try:
        assert all(entry.reason.strip() for entry, _ in ignored(*document(str(path), IgnoreList, "an ignore list")))
    except SpecError as error:
        told = error.diagnostics
    else:
        return
    assert told
    assert all(str(one).isprintable() for one in told)
