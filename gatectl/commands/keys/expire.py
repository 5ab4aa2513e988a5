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

    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring, moment

    now = datetime.now(UTC)
    at = {"now": now, "never": None}[when] if when in {"now", "never"} else moment(when, now, "WHEN")
    record = api_keys.expire(keyring(state_dir, redis_url, files or []), key_id, at)
    view(output).result("key-expires", shown(api_keys.ListedKey(record)))
