"""docs/lint.md explains every rule as the rule itself says it; ``--update-golden`` rewrites it."""

import re
from pathlib import Path

import pytest

from gatectl.lint.rule import DOCUMENT, Rule
from gatectl.lint.rules import RULES

PATH = Path(__file__).parents[2] / DOCUMENT
MARK = "<!-- made from the rules themselves: `make golden` rewrites what follows -->\n"


def points(rule: Rule) -> str:
    return f"{rule.cost / 10:g}" if rule.cost else "–"


def explained() -> str:
    rows = [
        f"| [{rule.id}](#{rule.anchor}) | {rule.severity} | {rule.category} | {points(rule)} | {rule.title} |"
        for rule in RULES
    ]
    sections = [
        f"### {rule.id} {rule.name}\n\n"
        f"{rule.title[0].upper()}{rule.title[1:]} ({rule.severity}). {rule.why}\n\n**Fix.** {rule.fix}\n"
        for rule in RULES
    ]
    head = "\n## The rules\n\n| rule | severity | about | points | finds |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n\n" + "\n".join(sections)


def test_every_rule_is_explained_in_its_own_words(request: pytest.FixtureRequest) -> None:
    text = PATH.read_text()
    expected = text.partition(MARK)[0] + MARK + explained()
    if request.config.getoption("--update-golden"):
        PATH.write_text(expected)
        return
    assert text == expected, "--update-golden if that is meant"


def test_the_link_of_every_rule_leads_to_its_heading() -> None:
    headings = re.findall(r"^#+ (.*)$", PATH.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [rule.documentation for rule in RULES if rule.documentation.partition("#")[2] not in anchors] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_speaks_in_whole_sentences(rule: Rule) -> None:
    assert rule.title[0].islower() or rule.title[0] in "`ACLX"
    assert not rule.title.endswith(".")
    for sentence in (rule.why, rule.fix):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
