"""gatectl lint."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gatectl.commands.options import DEFAULT_FILES, Files
from gatectl.views import view

FORMAT_HELP = "For people, for programs, for code scanning, for annotations of a pull request, or as a test report."


def run(
    files: Files = DEFAULT_FILES,
    fail_on: Annotated[
        Literal["error", "warning", "info", "never"],
        typer.Option("--fail-on", help="Exit with 3 from this severity on."),
    ] = "error",
    min_score: Annotated[float, typer.Option("--min-score", min=0, max=10, help="Exit with 3 below this score.")] = 0,
    ignore_file: Annotated[
        Path | None,
        typer.Option(
            "--ignore-file", help="What is ignored on purpose, instead of .gatectl-lint.yaml beside the spec."
        ),
    ] = None,
    output: Annotated[
        Literal["human", "json", "sarif", "github", "junit"], typer.Option("--output", "-o", help=FORMAT_HELP)
    ] = "human",
) -> int:
    """Find what is valid and still a bad idea, and give the spec a security score out of 10.

    Every finding has a rule, a place and a fix; docs/lint.md explains each rule. What is meant to be so goes into an
    ignore list, with its reason. Exit code 3 says that there are findings at or above --fail-on.

    Examples:

      gatectl lint -f gateway.yaml

      gatectl lint -f base.yaml -f prod.yaml --fail-on warning --min-score 9

      gatectl lint -f gateway.yaml -o sarif > lint.sarif
    """
    from gatectl.rollout.linting import lint_files

    report = lint_files(files, ignore_file, fail_on, min_score)
    view(output).result("linted", report.data())
    return 0 if report.passed else 3
