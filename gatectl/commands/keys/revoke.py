"""gatectl keys revoke."""

from typing import Annotated

import typer

from gatectl.commands.keys.options import KeyId, SpecFiles, shown
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    key_id: KeyId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the record.", metavar="TEXT")] = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Revoke an API key. It stops working within one second; its record stays.

    Examples:

      gatectl keys revoke 1f8k2m0q4zxa --reason "found in a log"
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring

    ring, screen = keyring(state_dir, redis_url, files or []), view(output)
    with act(state_dir, "keys.revoke", screen.progress, gateway=ring.gateway, key_id=key_id, reason=reason):
        record = api_keys.revoke(ring, key_id, reason)
    screen.result("key-revoked", shown(api_keys.ListedKey(record)))
