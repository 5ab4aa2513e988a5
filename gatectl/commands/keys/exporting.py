"""gatectl keys export."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.keys.options import SpecFiles
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view, write


def run(
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write, for its owner only, instead of stdout.", metavar="FILE")
    ] = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Write the records of all API keys, one JSON document a line. They hold hashes only, never a key.

    With --to a summary is shown; without, stdout is the records themselves.

    Examples:

      gatectl keys export --to keys.jsonl

      gatectl keys export > keys.jsonl
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import key_transfer
    from gatectl.runtime.keyring import keyring

    ring, screen = keyring(state_dir, redis_url, files or []), view(output)
    with act(state_dir, "keys.export", screen.progress, gateway=ring.gateway) as done:
        text = key_transfer.export_keys(ring)
        done["keys"] = text.count("\n")
        if to is not None:
            key_transfer.write_export(to, text)
    if to is None:
        write(text)
        return
    screen.result("keys-exported", {"file": str(to), "keys": text.count("\n")})
