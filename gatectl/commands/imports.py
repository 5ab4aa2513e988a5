"""gatectl import openapi|envoy|ratelimit."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import OutputOption
from gatectl.views import view

app = typer.Typer(no_args_is_help=True)
To = Annotated[Path | None, typer.Option("--to", help="File to write, instead of stdout.", metavar="FILE")]
Force = Annotated[bool, typer.Option("--force", help="With --to: overwrite a file that is there.")]


@app.command()
def openapi(
    file: Annotated[str, typer.Argument(help="OpenAPI 3 document, YAML or JSON; - reads standard input.")],
    to: To = None,
    force: Force = False,
    output: OutputOption = "human",
) -> None:
    """Make a spec of an OpenAPI document: paths become routes, security becomes access.

    Scopes become roles. What asks for no security becomes public only where the operation says `security: []`;
    `x-gatectl-access` (public, authenticated, or a list of roles) on an operation and `x-gatectl-limit` (100/minute)
    on a path say more. What cannot be carried over is told on stderr with its place.

    Examples:

      gatectl import openapi openapi.yaml

      gatectl import openapi openapi.yaml --to imported.yaml

      gatectl import openapi - -o json < openapi.yaml
    """
    from gatectl.rollout.imports import from_openapi

    view(output).result("imported", from_openapi(file, to, force=force))


@app.command()
def envoy(
    file: Annotated[
        str | None, typer.Argument(help="A config_dump, or a bootstrap with static resources; - reads standard input.")
    ] = None,
    admin: Annotated[
        str | None,
        typer.Option("--admin", help="Ask a running Envoy: URL or unix socket of its admin.", metavar="ADDRESS"),
    ] = None,
    to: To = None,
    force: Force = False,
    output: OutputOption = "human",
) -> None:
    """Make a spec of what an Envoy obeys: clusters become upstreams, routes stay routes.

    Who may call is not in Envoy's configuration: every route becomes `authenticated`, none public. What a spec cannot
    say is told on stderr with its path in the dump; a route that would take other requests than before is left out.

    Examples:

      gatectl import envoy config_dump.json

      gatectl import envoy --admin .gatectl/admin.sock --to live.yaml

      gatectl import envoy --admin http://127.0.0.1:9901 -o json
    """
    from gatectl.rollout.imports import from_envoy

    view(output).result("imported", from_envoy(file, admin, to, force=force))


@app.command()
def ratelimit(
    file: Annotated[str, typer.Argument(help="Configuration of envoyproxy/ratelimit; - reads standard input.")],
    meanings: Annotated[
        list[str] | None,
        typer.Option("--as", help="What a key of descriptors is, such as account=user.", metavar="KEY=DIMENSION"),
    ] = None,
    to: To = None,
    force: Force = False,
    output: OutputOption = "human",
) -> None:
    """Make rate_limits of a configuration of envoyproxy/ratelimit, to lay over a spec.

    Keys such as `remote_address`, `user_id`, `api_key`, `plan` and `route` are known by name; --as tells what others
    are. What cannot be carried over is told on stderr with its place. ratelimit-svc also obeys such files as they
    are: docs/compat.md.

    Examples:

      gatectl import ratelimit ratelimit.yaml

      gatectl import ratelimit ratelimit.yaml --as account=user --to limits.yaml

      gatectl import ratelimit - -o json < ratelimit.yaml
    """
    from gatectl.rollout.imports import from_ratelimit

    view(output).result("imported-limits", from_ratelimit(file, meanings or [], to, force=force))
