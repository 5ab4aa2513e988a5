"""gatectl token mint."""

from typing import Annotated

import typer

from gatectl.commands import completion
from gatectl.commands.options import (
    DEFAULT_FILES,
    DEFAULT_STATE_DIR,
    Attributes,
    Files,
    OutputOption,
    Plan,
    Roles,
    StateDir,
)
from gatectl.views import view

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Development tokens."""


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

      gatectl token mint alice --role agent

      gatectl token mint carol --role customer --minutes 5
    """
    from gatectl.rollout.acts import act
    from gatectl.rollout.candidate import read
    from gatectl.runtime.issuers import ensure_local_issuers, local_issuer, mint_token
    from gatectl.runtime.keyring import attributes

    spec = read(files).spec
    chosen = local_issuer(spec, issuer)
    ensure_local_issuers(spec, state_dir)
    shown, given = view(output), attributes(attribute or [])
    with act(
        state_dir, "token.mint", shown.progress, issuer=chosen.issuer, user=user, roles=role or [], minutes=minutes
    ):
        token = mint_token(spec, state_dir, chosen.name, user, tuple(role or ()), plan, given, minutes * 60)
    data = {"token": token, "issuer": chosen.issuer, "user": user, "roles": role or [], "expires_in": minutes * 60}
    shown.result("token", data)
