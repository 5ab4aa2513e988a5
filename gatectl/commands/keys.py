"""gatectl keys create|list|revoke."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, Attributes, OutputOption, Plan, RedisUrl, Roles, StateDir
from gatectl.views import view

if TYPE_CHECKING:
    from ext_authz.api_key import KeyRecord

app = typer.Typer(no_args_is_help=True)
SpecFiles = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help="Spec that names the gateway, when none runs here.", metavar="FILE"),
]


@app.command()
def create(
    user: Annotated[str, typer.Argument(help="Who the key stands for.")],
    role: Roles = None,
    plan: Plan = None,
    attribute: Attributes = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Make an API key and show it, this once. Only its hash is kept.

    Examples:

      gatectl keys create alice --role agent

      gatectl keys create acme --role customer --plan pro -o json

      gatectl keys create eve --role customer --attribute tenant=acme
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import attributes, keyring

    shown = view(output)
    url, gateway = keyring(state_dir, redis_url, files or [])
    given = attributes(attribute or [])
    with act(state_dir, "keys.create", shown.progress, gateway=gateway, user=user, roles=role or []) as done:
        key, record = api_keys.create(url, gateway, user, tuple(role or ()), plan, given)
        done["key_id"] = record.id
    shown.result("key-created", {"id": record.id, "key": key, **_shown(record)})


@app.command("list")
def list_(
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """List the API keys of the gateway, never the keys themselves.

    Examples:

      gatectl keys list

      gatectl keys list -o json
    """
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring

    records = api_keys.list_keys(*keyring(state_dir, redis_url, files or []))
    view(output).result("keys", [_shown(record) for record in records])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")],
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Revoke an API key. It stops working within one second; its record stays.

    Examples:

      gatectl keys revoke 1f8k2m0q4zxa
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring

    shown = view(output)
    url, gateway = keyring(state_dir, redis_url, files or [])
    with act(state_dir, "keys.revoke", shown.progress, gateway=gateway, key_id=key_id):
        record = api_keys.revoke(url, gateway, key_id)
    shown.result("key-revoked", _shown(record))


def _shown(record: "KeyRecord") -> dict[str, Any]:
    """A record as it may be shown: without the hash."""
    data = record.model_dump(mode="json", exclude={"sha256"})
    if record.revoked_at is not None:
        state = "revoked"
    elif record.expires_at is not None and record.expires_at <= datetime.now(UTC):
        state = "expired"
    else:
        state = "active"
    return {**data, "state": state}
