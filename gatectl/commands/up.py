"""gatectl up."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import (
    DEFAULT_FILES,
    DEFAULT_STATE_DIR,
    Files,
    OutputOption,
    RedisUrl,
    StateDir,
)
from gatectl.views import view


def run(
    files: Files = DEFAULT_FILES,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port to serve on, instead of the spec's.")
    ] = None,
    redis_url: RedisUrl = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes of each service.")] = 1,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it serves; `gatectl down` stops it.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No ready screen: its credentials do not belong in a log.")
    ] = False,
    output: OutputOption = "human",
) -> int:
    """Run a whole gateway on this machine: Redis, both services, Envoy, and what the spec's `development` lists.

    Needs no Docker. Ctrl-C stops all of it. Keys and counters outlive it in the state directory.

    Examples:

      gatectl up -f gateway.yaml

      gatectl up -f gateway.yaml --port 9000 --detach

      gatectl up -f gateway.yaml --redis-url redis://localhost:6379/0
    """
    from gatectl.runtime import session

    options = session.Options(
        files=tuple(files), state_dir=Path(state_dir).absolute(), port=port, redis_url=redis_url, workers=workers
    )
    shown = view(output)
    start = session.detached if detach else session.attached
    return start(options, shown.progress, lambda ready: None if quiet else shown.result("ready", ready))
