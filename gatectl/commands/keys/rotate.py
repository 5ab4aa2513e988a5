"""gatectl keys rotate."""

from typing import Annotated

import typer

from gatectl.commands.keys.options import KeyId, SpecFiles, shown
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long the old key goes on working; 0 ends it.", metavar="DURATION")
    ] = "24h",
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Make a key with the same properties, and let the old one expire. The new key is shown, this once.

    Examples:

      gatectl keys rotate 1f8k2m0q4zxa

      gatectl keys rotate 1f8k2m0q4zxa --overlap 7d -o json
    """
    from datetime import timedelta

    from gatectl.diagnostics import GatectlError
    from gatectl.fields import parse_duration
    from gatectl.rollout.acts import act
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring

    try:
        milliseconds = 0 if overlap == "0" else parse_duration(overlap)
    except ValueError as error:
        raise GatectlError(f"--overlap: {error}", 64) from None
    ring, screen = keyring(state_dir, redis_url, files or []), view(output)
    with act(state_dir, "keys.rotate", screen.progress, gateway=ring.gateway, key_id=key_id, overlap=overlap) as done:
        rotated = api_keys.rotate(ring, key_id, timedelta(milliseconds=milliseconds))
        done["successor"] = rotated.successor.id
    new = shown(api_keys.ListedKey(rotated.successor))
    data = {"key": rotated.key, **new, "old": shown(api_keys.ListedKey(rotated.old))}
    screen.result("key-rotated", data)
