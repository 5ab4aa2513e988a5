"""gatectl dev."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_FILES, DEFAULT_STATE_DIR, Files, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    files: Files = DEFAULT_FILES,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port to serve on, instead of the spec's.")
    ] = None,
    redis_url: RedisUrl = None,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Apply whenever a file of the spec is saved.")
    ] = True,
    output: OutputOption = "human",
) -> int:
    """Run a whole gateway on this machine, and apply the spec whenever it is saved.

    A save that is wrong shows every mistake with its place, and the last good one stays in force. Ctrl-C stops all
    of it.

    Examples:

      gatectl dev

      gatectl dev -f base.yaml -f prod.yaml --port 9000
    """
    from gatectl.runtime.reload import Reload, develop
    from gatectl.runtime.session import Options

    options = Options(tuple(files), Path(state_dir).absolute(), port, redis_url, workers=1)
    shown = view(output)
    reload = Reload(options, lambda done: shown.result("reloaded", done), shown.diagnostics, shown.failure)
    return develop(options, shown.progress, lambda ready: shown.result("ready", ready), reload if watch else None)
