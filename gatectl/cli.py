"""The command line: registers the commands and maps outcomes to exit codes.

0 done · 1 error · 2 changes or drift · 3 findings · 4 a data plane rejected it and everything was put back ·
5 no convergence in time or unreachable · 64 usage · 65 the spec is wrong.
"""

import gc
import re
import signal
import sys

import typer
from typer.exceptions import Abort, Exit, TyperException

from gatectl.commands import (
    apply,
    audit,
    bootstrap,
    dev,
    down,
    drift,
    dump,
    explain,
    fmt,
    get,
    history,
    imports,
    init,
    keys,
    limits,
    lint,
    plan,
    render,
    rollback,
    schema,
    status,
    test,
    tokens,
    up,
    validate,
    version,
)
from gatectl.diagnostics import GatectlError, SpecError
from gatectl.views import FORMATS, view

_OUTPUT = re.compile(r"\0(?:-o\0?|--output[\0=])([a-z]+)")
EXIT_ERROR, EXIT_USAGE, EXIT_SPEC, EXIT_INTERRUPTED = 1, 64, 65, 130

app = typer.Typer(
    name="gatectl",
    help="From one YAML file to a working API gateway on Envoy.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(init, fmt, get, validate, lint, explain, test, render),
    *(plan, apply, rollback, history, status, drift, dump),
    *(up, dev, down, bootstrap, schema, version),
)
"""In the order of the help."""
for command in COMMANDS:
    app.command(command.__name__.rpartition(".")[2])(command.run)
app.add_typer(imports.app, name="import", help="Specs from what others wrote: OpenAPI, Envoy, its rate limiter.")
app.add_typer(keys.app, name="keys", help="API keys: make, look at, rotate, take back, save and restore.")
app.add_typer(limits.app, name="limits", help="Limits at run time: other numbers for one user, and who is limited.")
app.add_typer(audit.app, name="audit", help="The audit trail: tail, verify, search.")
app.add_typer(tokens.app, name="tokens", help="Tokens: mint one to develop with, revoke, list, reinstate.")
app.add_typer(tokens.app, name="token", hidden=True)  # as it was called first


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(200_000, 20, 100)  # 2000 routes are a million objects and no cycles: a third of the time saved
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever is told to end puts back what was there
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code. Nothing a user does ends in a traceback."""
    try:
        code = app(arguments, prog_name="gatectl", standalone_mode=False)
    except SpecError as error:
        view(_output(arguments)).diagnostics(error.diagnostics)
        return EXIT_SPEC
    except GatectlError as error:
        view(_output(arguments)).failure(str(error), error.diagnostics)
        return error.exit_code
    except TyperException as error:
        return _usage(error)
    except (Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exit as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def _usage(error: TyperException) -> int:
    """Typer's usage errors exit with 2, which here means "there are changes"."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
    return EXIT_USAGE if error.exit_code == 2 else EXIT_ERROR


def _output(arguments: list[str]) -> str:
    """``-o`` holds for errors too, whichever command raised them."""
    chosen = _OUTPUT.findall("\0".join(["", *arguments]))
    return chosen[-1] if chosen and chosen[-1] in FORMATS else "human"
