"""gatectl keys expire."""

from typing import Annotated

import typer

from gatectl.commands.keys.options import KeyId, SpecFiles, shown
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    key_id: KeyId,
    when: Annotated[
        str, typer.Argument(help="A duration from now (30d), a time with its zone, now, or never.", metavar="WHEN")
    ],
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Say when an API key expires: sooner, later, or never.

    Examples:

      gatectl keys expire 1f8k2m0q4zxa 30d

      gatectl keys expire 1f8k2m0q4zxa 2027-01-31T00:00:00Z

      gatectl keys expire 1f8k2m0q4zxa never
    """
    from datetime import UTC, datetime

    from gatectl.rollout.acts import act
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring, moment

    now = datetime.now(UTC)
    at = {"now": now, "never": None}[when] if when in {"now", "never"} else moment(when, now, "WHEN")
    ring, screen = keyring(state_dir, redis_url, files or []), view(output)
    until = at.isoformat() if at is not None else None
    with act(state_dir, "keys.expire", screen.progress, gateway=ring.gateway, key_id=key_id, expires_at=until):
        record = api_keys.expire(ring, key_id, at)
    screen.result("key-expires", shown(api_keys.ListedKey(record)))
