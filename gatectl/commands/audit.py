"""gatectl audit tail|verify|search."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, StateDir
from gatectl.views import view

app = typer.Typer(no_args_is_help=True)
AuditDir = Annotated[
    Path | None,
    typer.Option("--audit-dir", help="Directory of the trail, instead of the state directory's.", metavar="DIR"),
]


@app.command()
def tail(
    count: Annotated[int, typer.Option("--lines", "-n", min=0, max=10_000, help="How many of the newest.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    audit_dir: AuditDir = None,
    output: OutputOption = "human",
) -> None:
    """Show the newest lines of the audit trail, of all writers, by time. With -o json they are as written.

    Examples:

      gatectl audit tail

      gatectl audit tail --lines 100 -o json
    """
    from gatectl.rollout.audit_trail import newest

    with view(output).streaming("audit-event") as show:
        for event in newest(state_dir, audit_dir, count, follow=follow):
            show(event)


@app.command()
def verify(
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", help="A hash that was the head of a chain; repeatable.", metavar="HASH"),
    ] = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    audit_dir: AuditDir = None,
    output: OutputOption = "human",
) -> int:
    """Recompute every hash of the audit trail, and say what was edited, removed, inserted, reordered or torn.

    Keep the heads it prints somewhere else: with --expect, it also finds that the end of a chain was cut off, or
    that all of it was written anew. Exit code 0 when every chain is whole, 3 when one is not.

    Examples:

      gatectl audit verify

      gatectl audit verify -o json
    """
    from gatectl.rollout.audit_trail import verified

    found = verified(state_dir, audit_dir, expect or [])
    view(output).result("audit-verified", found)
    return 0 if found["whole"] else 3


@app.command()
def search(
    user: Annotated[str | None, typer.Option("--user", help="The user it is about.", metavar="USER")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who did it, of administrative acts.", metavar="WHO")] = None,
    key_id: Annotated[str | None, typer.Option("--key-id", help="Id of the API key.", metavar="ID")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Reason of a refusal.", metavar="CODE")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Kind of event.", metavar="EVENT")] = None,
    route: Annotated[str | None, typer.Option("--route", help="Id of the route.", metavar="ROUTE")] = None,
    address: Annotated[str | None, typer.Option("--address", help="The client's address.", metavar="IP")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Not before: how long ago, or a time (RFC 3339).", metavar="WHEN")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before: in the same words.", metavar="WHEN")] = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    audit_dir: AuditDir = None,
    output: OutputOption = "human",
) -> None:
    """Show every line of the audit trail that matches all that is asked for, by time.

    Examples:

      gatectl audit search --event request.refused --since 1h

      gatectl audit search --user alice --reason access-denied -o json

      gatectl audit search --by ci@build --since 2026-11-01T00:00:00Z
    """
    from gatectl.rollout.audit_trail import search

    fields = {
        "user": user,
        "by": by,
        "key_id": key_id,
        "reason": reason,
        "event": event,
        "route": route,
        "address": address,
    }
    with view(output).streaming("audit-event") as show:
        for found in search(state_dir, audit_dir, fields, since, until):
            show(found)
