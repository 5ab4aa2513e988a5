"""gatectl keys import."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.keys.options import SpecFiles
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    file: Annotated[str, typer.Argument(help="What `keys export` wrote; - reads standard input.", metavar="FILE")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite records that differ. A revocation stays in any case.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Bring back what `keys export` wrote: all records that are not there, and none if one of them is not valid.

    Doing it again changes nothing. A record that is there and differs stays, unless --replace is given.

    Examples:

      gatectl keys import keys.jsonl --dry-run

      gatectl keys import keys.jsonl

      gatectl keys import - -f gateway.yaml < keys.jsonl
    """
    from gatectl.diagnostics import GatectlError
    from gatectl.rollout.acts import act
    from gatectl.runtime import key_transfer
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    try:
        if file == "-":
            records = key_transfer.read_export(sys.stdin.buffer, "<stdin>")
        else:
            with Path(file).open("rb") as opened:
                records = key_transfer.read_export(opened, file)
    except OSError as error:
        raise GatectlError(f"{file} cannot be read: {error.strerror}", 65) from None
    screen = view(output)
    with act(state_dir, "keys.import", screen.progress, gateway=ring.gateway, dry_run=dry_run) as told:
        done = key_transfer.import_keys(ring, records, replace=replace, dry_run=dry_run)
        told |= {"created": len(done.created), "replaced": len(done.replaced), "kept": len(done.kept)}
    data = {name: list(ids) for name, ids in done._asdict().items()}
    screen.result("keys-imported", {**data, "dry_run": dry_run})
