"""gatectl keys list."""

from typing import Annotated, Literal

import typer

from gatectl.commands.keys.options import Labels, SpecFiles, shown
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, RedisUrl, StateDir
from gatectl.views import view


def run(
    user: Annotated[str | None, typer.Option("--user", help="Only this user's.", metavar="USER")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only this owner's.", metavar="TEXT")] = None,
    state: Annotated[
        Literal["active", "pending", "expired", "revoked"] | None, typer.Option("--state", help="Only those.")
    ] = None,
    label: Labels = None,
    sort: Annotated[Literal["created", "user", "expires", "used"], typer.Option("--sort", help="By what.")] = "created",
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """List the API keys of the gateway, never the keys themselves.

    Examples:

      gatectl keys list

      gatectl keys list --user alice --state active -o json

      gatectl keys list --label env=prod --sort used
    """
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring, named_values

    labels = named_values(label or [], "--label").items()
    found = [shown(one) for one in api_keys.list_keys(keyring(state_dir, redis_url, files or []))]
    chosen = [
        key
        for key in found
        if user in {None, key["user"]}
        and owner in {None, key["owner"]}
        and state in {None, key["state"]}
        and labels <= key["labels"].items()
    ]
    field = {"created": "created_at", "user": "user", "expires": "expires_at", "used": "last_used_at"}[sort]
    chosen.sort(key=lambda key: (key[field] is None, key[field] or ""))
    view(output).result("keys", chosen)
