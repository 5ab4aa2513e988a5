"""gatectl tokens mint|revoke|list|reinstate."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatectl.commands import completion
from gatectl.commands.options import (
    DEFAULT_FILES,
    DEFAULT_STATE_DIR,
    Attributes,
    Files,
    OutputOption,
    Plan,
    RedisUrl,
    Roles,
    StateDir,
)
from gatectl.diagnostics import GatectlError
from gatectl.views import view

if TYPE_CHECKING:
    from ext_authz.revocation import Revocation

app = typer.Typer(no_args_is_help=True)


SpecFiles = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help="Spec that names gateway and issuers, when none runs here.", metavar="FILE"),
]


@app.command()
def mint(
    user: Annotated[str, typer.Argument(help="Who the token stands for.")],
    role: Roles = None,
    plan: Plan = None,
    attribute: Attributes = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--issuer",
            help="Name of the issuer, if the spec has several local ones.",
            autocompletion=completion.issuers,
        ),
    ] = None,
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1440, help="Lifetime in minutes.")] = 15,
    files: Files = DEFAULT_FILES,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    output: OutputOption = "human",
) -> None:
    """Sign a JWT with the development key of a local issuer (`jwks: {local: true}`).

    Examples:

      gatectl tokens mint alice --role agent

      gatectl tokens mint carol --role customer --minutes 5
    """
    from gatectl.rollout.acts import act
    from gatectl.rollout.candidate import read
    from gatectl.runtime.issuers import ensure_local_issuers, local_issuer, mint_token
    from gatectl.runtime.keyring import named_values

    spec = read(files).spec
    chosen = local_issuer(spec, issuer)
    ensure_local_issuers(spec, state_dir)
    screen, given, roles = view(output), named_values(attribute or [], "--attribute"), list(role or ())
    with act(state_dir, "tokens.mint", screen.progress, issuer=chosen.issuer, user=user, roles=roles, minutes=minutes):
        token = mint_token(spec, state_dir, chosen.name, user, roles, plan, given, minutes * 60)
    data = {"token": token, "issuer": chosen.issuer, "user": user, "roles": role or [], "expires_in": minutes * 60}
    screen.result("token", data)


@app.command()
def revoke(
    jti: Annotated[str | None, typer.Option("--jti", help="One token, by its `jti`.", metavar="ID")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="All tokens of a user, as `x-gate-user` names them.", metavar="USER")
    ] = None,
    issued_before: Annotated[
        str | None,
        typer.Option(
            "--issued-before",
            help="Tokens issued until then: `now`, or a time with its zone; with --subject, now unless given.",
            metavar="TIME",
        ),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--issuer",
            help="Only tokens of this issuer, by its name.",
            autocompletion=completion.issuers,
            metavar="NAME",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the list.", metavar="TEXT")] = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Revoke tokens. They stop working within one second, new ones work.

    Examples:

      gatectl tokens revoke --subject alice --reason "lost her laptop"

      gatectl tokens revoke --jti 0b7c2c1e --issuer staff

      gatectl tokens revoke --issuer staff --issued-before now
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import revocations
    from gatectl.runtime.keyring import keyring

    until = _time(issued_before) if issued_before is not None else None
    ring = keyring(state_dir, redis_url, files or [])
    known = revocations.issuers(state_dir, files or [])
    wanted = revocations.revocation(known, jti=jti, user=subject, issued_before=until, issuer=issuer, reason=reason)
    screen, what = view(output), wanted.model_dump(mode="json", exclude_none=True, exclude={"revoked_at"})
    with act(state_dir, "tokens.revoke", screen.progress, gateway=ring.gateway, revocation=wanted.id, **what):
        revocations.revoke(ring.redis_url, ring.gateway, wanted)
    screen.result("tokens-revoked", _shown(wanted))


@app.command("list")
def list_(
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """List the revocations in force.

    Examples:

      gatectl tokens list

      gatectl tokens list -o json
    """
    from gatectl.runtime import revocations
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    found = revocations.list_revocations(ring.redis_url, ring.gateway)
    view(output).result("revocations", [_shown(one) for one in found])


@app.command()
def reinstate(
    revocation_id: Annotated[str, typer.Argument(help="Id of the revocation, as `tokens list` shows it.")],
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Take a revocation back. Its tokens work again within one second.

    Examples:

      gatectl tokens reinstate 5f0c9d2e7a41
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import revocations
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    screen = view(output)
    with act(state_dir, "tokens.reinstate", screen.progress, gateway=ring.gateway, revocation=revocation_id):
        revocations.reinstate(ring.redis_url, ring.gateway, revocation_id)
    screen.result("tokens-reinstated", {"id": revocation_id})


def _time(text: str) -> datetime:
    """``now``, or ISO 8601 with a time zone. Raises GatectlError (usage)."""
    if text == "now":
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise GatectlError("--issued-before takes `now` or a time with its zone, such as 2026-01-31T08:00:00Z", 64)
    return found


def _shown(one: "Revocation") -> dict[str, Any]:
    return {"id": one.id, **one.model_dump(mode="json")}
