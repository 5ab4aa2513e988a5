"""`gatectl lint` as a shell sees it."""

import json
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gatectl.cli import run
from gatectl.lint.report import lint
from tests.commands.shell import Run
from tests.commands.test_cli import EXAMPLE
from tests.lint.cases import BASE
from tests.lint.linting import subject

WARNS = BASE.replace("methods: [GET]", "")
"""One warning, on security (GL006): 9.5 of 10."""
FAILS = BASE.replace("{roles: [a]}", "public").replace("[GET]", "[POST]")
"""One error."""
TELLS = BASE.replace("{roles: [a]}", "authenticated")
"""One info."""


def lint_text(directory: Path, text: str, *options: str) -> int:
    """The exit code, without the time that a process takes to start."""
    path = directory / "gateway.yaml"
    path.write_text(text)
    return run(["lint", "-f", str(path), *options])


FORMATS = ["human", "json", "sarif", "github", "junit"]


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize(
    ("spec", "options", "code"),
    [
        pytest.param(BASE, ["--fail-on", "info", "--min-score", "10"], 0, id="nothing"),
        pytest.param(WARNS, [], 0, id="below"),
        pytest.param(FAILS, [], 3, id="at"),
        pytest.param("version: 1\n", [], 65, id="no-spec"),
    ],
)
def test_the_exit_code_does_not_depend_on_the_format_and_there_is_always_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, spec: str, options: list[str], code: int
) -> None:
    assert lint_text(tmp_path, spec, *options, "-o", output) == code
    shown = capsys.readouterr().out
    if output in {"json", "sarif"}:
        json.loads(shown)
    elif output == "junit":
        root = ET.fromstring(shown)  # noqa: S314 - our own
        assert (root.find(".//failure") is None) is (code == 0)
    elif output == "github":
        assert all(line.startswith("::") for line in shown.splitlines())
    assert shown or (output == "human" and code == 65)


@pytest.mark.parametrize(
    ("spec", "options", "code"),
    [
        (FAILS, ["--fail-on", "never"], 0),
        (FAILS, ["--fail-on", "never", "--min-score", "6.1"], 3),
        (FAILS, ["--fail-on", "never", "--min-score", "6"], 0),
        (WARNS, ["--fail-on", "warning"], 3),
        (WARNS, ["--fail-on", "error", "--min-score", "9.5"], 0),
        (WARNS, ["--min-score", "9.51"], 3),
        (TELLS, ["--fail-on", "warning"], 0),
        (TELLS, ["--fail-on", "info"], 3),
        (BASE, ["--min-score", "11"], 64),
        (BASE, ["--fail-on", "sometimes"], 64),
        (BASE, ["-o", "xml"], 64),
    ],
)
def test_what_fails_is_chosen(tmp_path: Path, spec: str, options: list[str], code: int) -> None:
    assert lint_text(tmp_path, spec, *options) == code


def test_findings_of_an_overlay_point_into_it_and_its_ignore_list_is_the_one_beside_the_first_file(
    tmp_path: Path, gatectl: Run
) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "base.yaml").write_text(BASE)
    (tmp_path / "prod.yaml").write_text("authentication:\n  forward_credentials: true\n")
    arguments = ["lint", "-f", "spec/base.yaml", "-f", "prod.yaml", "--fail-on", "warning"]
    first = gatectl(*arguments, directory=tmp_path)
    assert first.returncode == 3
    assert "prod.yaml:2:24: warning[GL014] the authentication hands" in first.stdout
    (tmp_path / "spec" / ".gatectl-lint.yaml").write_text("ignore: [{rule: GL014, reason: one owner}]")
    second = gatectl(*arguments, directory=tmp_path)
    assert second.returncode == 0
    assert "10.0 of 10 (A+), 0 errors, 0 warnings, 0 info, 1 ignored" in second.stdout
    (document,) = json.loads(gatectl(*arguments, "-o", "json", directory=tmp_path).stdout)["findings"]
    assert (document["suppressed"], document["reason"], document["fails"]) == (True, "one owner", False)


def test_a_mistake_in_the_ignore_list_exits_as_one_in_the_spec_does(tmp_path: Path, gatectl: Run) -> None:
    (tmp_path / "list.yaml").write_text("ignore: [{rule: GL014}]")
    result = gatectl("lint", "-f", "-", "--ignore-file", "list.yaml", stdin=BASE, directory=tmp_path)
    assert result.returncode == 65
    assert 'list.yaml:1:10: error[GC0101] "reason" is missing' in result.stderr


def test_the_example_has_nine_of_ten_at_least(gatectl: Run) -> None:
    result = gatectl("lint", "-f", str(EXAMPLE), "--min-score", "9", "--fail-on", "warning")
    assert result.returncode == 0, result.stdout
    assert "9.5 of 10 (A+)" in result.stdout


def test_two_thousand_routes_take_less_than_three_seconds(tmp_path: Path) -> None:
    """The rules alone, the best of two: loading and rendering are measured elsewhere."""
    routes = "\n".join(
        f"  - {{name: r{n}, match: {{path_prefix: /api/t{n}/x, methods: [GET, POST], hosts: [h{n % 9}.example.com]}},"
        f" upstream: u{n % 50}, access: [{{methods: [GET], roles: [a]}}, {{roles: [b{n}]}}]}}"
        for n in range(2000)
    )
    limits = "\n".join(
        f"  - {{name: l{n}, per: [user, route], limit: {n + 1}/minute, routes: [r{n}]}}" for n in range(250)
    )
    upstreams = "\n".join(f"  u{n}: {{endpoints: ['10.0.0.{n}:80']}}" for n in range(50))
    text = f"version: 1\nname: many\nauthentication: {{api_keys: {{}}}}\nupstreams:\n{upstreams}\nroutes:\n{routes}\n"
    whole = subject(tmp_path, f"{text}rate_limits:\n{limits}\n")

    def once() -> float:
        started = time.perf_counter()
        assert len(lint(whole, (), "error", 0).findings) > 1000
        return time.perf_counter() - started

    assert min(once() for _ in range(2)) < 3
