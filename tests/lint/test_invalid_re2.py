"""No spec of today becomes a regular expression that RE2 refuses; one that did would be told at its route."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.lint.report import lint
from gatectl.lint.rule import Found
from gatectl.lint.rules import RULES
from gatectl.render.bundle import Bundle
from tests.lint.cases import BASE
from tests.lint.linting import subject

RULE = next(rule for rule in RULES if rule.name == "invalid-re2")
OLD = "routes: [{name: old, match: {path_prefix: /old, hosts: [a.b, '*.c.d'], methods: [GET]}, rewrite_prefix: /new,"
SPEC = f"{OLD} upstream: u, access: {{roles: [a]}}}}]"


def with_regex(bundle: Bundle, old: str, new: str) -> Bundle:
    files = {name: content.replace(old.encode(), new.encode()) for name, content in bundle.files.items()}
    assert files != bundle.files
    return replace(bundle, files=files)


@pytest.mark.parametrize("wrong", ["(?=x)", "a**", "[a", "(?<=x)y", "\\\\1"])
def test_an_expression_that_re2_refuses_is_told_once_at_its_route(
    tmp_path: Path, wrong: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = subject(tmp_path, BASE, SPEC)
    broken = replace(whole, bundle=with_regex(whole.bundle, "^/old", wrong))
    (finding,) = [one for one in lint(broken, (), "error", 0).findings if one.rule is RULE]
    assert (finding.object, finding.at.line, finding.at.column) == ("route old", 1, 22)
    assert finding.message.startswith('route "old" becomes a regular expression that RE2 refuses: ')
    assert capfd.readouterr().err == "", "the library's own log"


def test_an_expression_of_no_route_is_told_at_the_listener(tmp_path: Path) -> None:
    whole = subject(tmp_path, BASE)
    files = whole.bundle.files | {"envoy/lds.json": b'{"resources": [{"name": "x", "regex": "(?=x)"}]}'}
    found = list(RULE.check(replace(whole, bundle=replace(whole.bundle, files=files))))
    assert [str(one.thing) for one in found] == ["listener"]
    assert isinstance(found[0], Found)


PREFIX = st.text(alphabet="abz09._~!$&'()*+,=:@-", min_size=1, max_size=30).filter(lambda text: text not in {".", ".."})


@given(PREFIX, PREFIX)
def test_no_path_becomes_an_expression_that_re2_refuses(
    tmp_path_factory: pytest.TempPathFactory, prefix: str, rewrite: str
) -> None:
    quoted = [text.replace("'", "''") for text in (prefix, rewrite)]
    text = SPEC.replace("/old", f"'/{quoted[0]}'").replace("/new", f"'/{quoted[1]}'")
    assert list(RULE.check(subject(tmp_path_factory.mktemp("x"), BASE, text))) == []
