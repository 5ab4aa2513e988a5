"""gatectl limits top."""

from typing import Annotated

import typer

from gatectl.commands.limits.overriding import Names, SpecFiles
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    limit: Names = None,
    last: Annotated[
        str, typer.Option("--last", help="How far back, in whole minutes: up to 15m.", metavar="DURATION")
    ] = "5m",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, max=3600, help="Seconds between two looks of --watch.")
    ] = 2,
    count: Annotated[int, typer.Option("--count", min=0, help="Looks of --watch; 0 is without end.")] = 0,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Show who is being limited now: whom each limit refused in the last minutes, who was refused most first.

    Examples:

      gatectl limits top

      gatectl limits top --limit per-user --last 15m -o json

      gatectl limits top --watch --interval 0.5 --count 2
    """
    from gatectl.runtime import refusals
    from gatectl.runtime.keyring import keyring

    span_ms = refusals.span(last)
    ring = keyring(state_dir, redis_url, files or [])
    looks = refusals.looks(ring.redis_url, ring.gateway, limit or (), span_ms, interval, count if watch else 1)
    if not watch:
        view(output).result("refused", next(looks))
        return
    with view(output).repeating("refused") as show:
        for found in looks:
            show(found)
