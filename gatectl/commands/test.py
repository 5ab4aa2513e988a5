"""gatectl test."""

from typing import Annotated, Literal

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, StateDir
from gatectl.views import view

FINDINGS = 3


def run(
    tests: Annotated[str, typer.Argument(help="File of tests; - reads standard input.", metavar="FILE")] = "tests.yaml",
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", "-f", help="Spec to test, instead of the one that FILE names; repeatable.", metavar="FILE"
        ),
    ] = None,
    fail_under: Annotated[
        int, typer.Option("--fail-under", min=0, max=100, help="Least coverage, in percent.", metavar="PERCENT")
    ] = 0,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    output: Annotated[
        Literal["human", "json", "junit"], typer.Option("--output", "-o", help="For people, programs or CI.")
    ] = "human",
) -> int:
    """Run a table of requests against a spec, and tell which routes, access rules and limits they cover.

    Offline: the real Envoy and the real services judge each request, with throw-away credentials. Exit code 3 says
    that a test failed, or that less is covered than --fail-under asks for.

    Examples:

      gatectl test tests.yaml

      gatectl test tests.yaml -f base.yaml -f prod.yaml --fail-under 70

      gatectl test tests.yaml -o junit > results.xml
    """
    from gatectl.rehearsal.trial import test

    result = test(tests, files or [], state_dir, fail_under)
    view(output).result("tested", result)
    return 0 if result["ok"] else FINDINGS
