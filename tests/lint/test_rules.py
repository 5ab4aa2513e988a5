"""Every rule finds what it should, at its place, and not what only looks like it."""

import re
from pathlib import Path

import pytest

from gatectl.lint.report import Report, lint
from gatectl.lint.rules import RULES
from tests.lint.cases import BASE, CASES
from tests.lint.linting import report, subject

MARK = "§"
MESSAGES = Path(__file__).with_name("messages.txt")
ELSEWHERE = {"GL072", "GL080"}
"""What no spec can break today, and the ignore list's own: tested on their own."""


def pieces(text: str) -> tuple[str, ...]:
    return (text,) if text.startswith("version:") else (BASE, text)


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the line and column of each."""
    places, lines = [], []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split(MARK)
        places += [(number, len("".join(parts[: count + 1])) + 1) for count in range(len(parts) - 1)]
        lines.append("".join(parts))
    return "\n".join(lines) + "\n", places


def found(result: Report, rule: str) -> list[tuple[str, int, int]]:
    return [(Path(one.at.file).name, one.at.line, one.at.column) for one in result.findings if one.rule.id == rule]


def params(kind: str) -> list[object]:
    return [
        pytest.param(rule, text, id=f"{rule}-{number}")
        for rule, case in CASES.items()
        for number, text in enumerate(getattr(case, kind))
    ]


@pytest.mark.parametrize(("rule", "text"), params("breaks"))
def test_what_breaks_a_rule_is_told_at_its_place_and_nowhere_else(tmp_path: Path, rule: str, text: str) -> None:
    plain, places = marked(text)
    texts = pieces(plain)
    assert found(report(tmp_path, *texts), rule) == [(f"{len(texts) - 1}.yaml", *place) for place in places]


def test_what_is_told_reads_as_it_did(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lines = []
    for rule, case in CASES.items():
        for number, text in enumerate(case.breaks):
            findings = report(tmp_path, *pieces(marked(text)[0])).findings
            lines += [f"{rule}-{number}: {one.object}: {one.message}" for one in findings if one.rule.id == rule]
    text = "\n".join(lines) + "\n"
    if request.config.getoption("--update-golden"):
        MESSAGES.write_text(text)
        return
    assert text == MESSAGES.read_text(), "--update-golden if that is meant"


@pytest.mark.parametrize(("rule", "text"), params("keeps"))
def test_what_comes_near_a_rule_is_not_told(tmp_path: Path, rule: str, text: str) -> None:
    assert MARK not in text
    assert found(report(tmp_path, *pieces(text)), rule) == []


def test_every_rule_has_its_cases() -> None:
    assert {rule.id for rule in RULES} == CASES.keys() | ELSEWHERE


def test_a_rule_is_known_by_one_id_and_one_name() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"GL0[0-9]{2}", rule.id) for rule in RULES)
    assert [rule.id for rule in RULES] == sorted(rule.id for rule in RULES)


def test_only_security_costs_points_and_always_does() -> None:
    assert [rule.id for rule in RULES if (rule.cost > 0) is not (rule.category == "security")] == []


def test_nothing_is_found_in_a_careful_gateway(tmp_path: Path) -> None:
    assert report(tmp_path, BASE).findings == ()


def test_a_value_from_the_environment_is_never_shown(tmp_path: Path) -> None:
    """Every scalar that may come from the environment does, and every rule that quotes it has its say."""
    secret = "s3cret"
    text = """
version: 1
name: e
listener: {request_headers_timeout: "${LONG}"}
authentication:
  api_keys: {stale: "${LONG}", static: [{id: "${A}", sha256: "${SHA}", user: "${A}", roles: ["${B}-x"]}]}
  jwt:
    - {name: "${A}", issuer: "${A}", audiences: ["${A}"], jwks: {url: "${URL}"}, leeway: "${MINUTES}",
       claims: {user: "${CLAIM}"}}
upstreams: {u: {endpoints: ["${HOST}:80"], timeout: "${LONG}", retries: {on: ["${ON}"], per_try_timeout: "${LONG}"}}}
cors: {allow_origins: ["${ORIGIN}"], allow_credentials: true}
routes:
  - {name: "${A}", match: {path: "/${A}", methods: ["${METHOD}"]}, upstream: u, access: public}
  - {name: "${B}", match: {path: "/${B}", methods: ["${METHOD}", GET]}, upstream: u,
     access: [{methods: ["${OTHER}"]}, {methods: ["${OTHER}"]}]}
  - {name: "w-${B}", match: {path: "/w", hosts: ["${A}"], methods: ["${METHOD}"]}, upstream: u, access: authenticated}
  - {name: "v-${B}", match: {path: "/w", hosts: ["${A}"], methods: ["${METHOD}", GET]}, upstream: u,
     access: {roles: ["${A}"]}}
rate_limits:
  - {name: "${A}", per: [user], limit: 1/minute, routes: ["v-${B}"], when: {role: ["${B}"]}}
"""
    environ = {
        "A": secret, "B": f"{secret}-b", "SHA": "ab" * 32, "URL": f"http://localhost/{secret}", "LONG": "1d",
        "MINUTES": "5m", "CLAIM": f"{secret}.email", "HOST": f"{secret}.example.com", "ON": "5xx", "METHOD": "SECRET",
        "OTHER": "HIDDEN", "ORIGIN": f"http://{secret}/",
    }  # fmt: skip
    findings = lint(subject(tmp_path, text, environ=environ), (), "error", 0).findings
    told = {finding.rule.id for finding in findings}
    assert told >= {"GL001", "GL005", "GL008", "GL010", "GL011", "GL012", "GL017", "GL023", "GL030", "GL042", "GL043"}
    assert told >= {"GL044", "GL051", "GL053", "GL060", "GL061", "GL062", "GL064", "GL070"}
    shown = "\n".join(f"{finding.message} {finding.object} {finding.fix}" for finding in findings)
    assert not re.search("s3cret|SECRET|HIDDEN|5xx|1d|ababab", shown), shown
