"""gatectl keys create."""

from typing import Annotated

import typer

from gatectl.commands.keys.options import Labels, SpecFiles, shown
from gatectl.commands.options import DEFAULT_STATE_DIR, Attributes, OutputOption, Plan, RedisUrl, Roles, StateDir
from gatectl.views import view


def run(
    user: Annotated[str, typer.Argument(help="Who the key stands for.")],
    role: Roles = None,
    plan: Plan = None,
    attribute: Attributes = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Whom to ask about the key.", metavar="TEXT")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What the key is for.", metavar="TEXT")] = None,
    label: Labels = None,
    network: Annotated[
        list[str] | None,
        typer.Option("--network", help="Accept the key only from there; repeatable.", metavar="CIDR"),
    ] = None,
    not_before: Annotated[
        str | None, typer.Option("--not-before", help="When it begins to work: 1h, or a time.", metavar="WHEN")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it expires: 90d, or a time.", metavar="WHEN")
    ] = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Make an API key and show it, this once. Only its hash is kept.

    Examples:

      gatectl keys create alice --role agent

      gatectl keys create acme --plan pro --expires 90d -o json

      gatectl keys create eve --role customer --attribute tenant=acme

      gatectl keys create ci --owner ops@example.com --label env=prod

      gatectl keys create batch --role agent --network 10.0.0.0/8
    """
    from datetime import UTC, datetime

    from gatectl.rollout.acts import act
    from gatectl.runtime import api_keys
    from gatectl.runtime.keyring import keyring, moment, named_values

    ring, now = keyring(state_dir, redis_url, files or []), datetime.now(UTC)
    wanted = api_keys.properties(
        user=user,
        roles=tuple(role or ()),
        plan=plan,
        attributes=named_values(attribute or [], "--attribute"),
        owner=owner,
        name=name,
        labels=named_values(label or [], "--label"),
        networks=tuple(network or ()),
        not_before=moment(not_before, now, "--not-before") if not_before is not None else None,
        expires_at=moment(expires, now, "--expires") if expires is not None else None,
    )
    screen = view(output)
    with act(
        state_dir, "keys.create", screen.progress, gateway=ring.gateway, user=user, roles=list(wanted.roles)
    ) as done:
        key, record = api_keys.create(ring, wanted)
        done["key_id"] = record.id
    screen.result("key-created", {"id": record.id, "key": key, **shown(api_keys.ListedKey(record))})
