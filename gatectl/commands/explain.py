"""gatectl explain."""

from typing import Annotated

import typer

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
from gatectl.views import view


def run(
    request: Annotated[
        list[str], typer.Argument(help="What is asked for; GET is the default.", metavar="[METHOD] PATH")
    ],
    user: Annotated[str | None, typer.Option("--user", help="The user who calls.", metavar="NAME")] = None,
    role: Roles = None,
    plan: Plan = None,
    attribute: Attributes = None,
    jwt: Annotated[
        str | None, typer.Option("--jwt", help="Claims (JSON) of a token, to be signed for this.", metavar="FILE")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="API key to send: @FILE or - keep it out of process lists.", metavar="KEY"),
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option("--certificate", help="Client certificate, by the URI or DNS name in it.", metavar="NAME"),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="A header: 'name: value'; repeatable.", metavar="HEADER")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Host that is asked.")] = "localhost",
    address: Annotated[str, typer.Option("--address", help="IP address of the client.")] = "203.0.113.1",
    body_size: Annotated[
        str | None, typer.Option("--body-size", help="Send a body of this size.", metavar="SIZE")
    ] = None,
    overrides: Annotated[
        bool, typer.Option("--overrides", help="Read the running gateway's overrides of limits, and hold to them.")
    ] = False,
    redis_url: RedisUrl = None,
    files: Files = DEFAULT_FILES,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    output: OutputOption = "human",
) -> None:
    """Tell what the gateway would do with a request: route, access rule by rule, limits, upstream, headers.

    Offline: the real Envoy and the real services judge it, with throw-away credentials and fresh counters.
    With --overrides it looks into Redis, and changes nothing there.

    Examples:

      gatectl explain GET /api/v1/tickets/7 --role agent

      gatectl explain /api/v1/customers/7 --user carol --role customer -o json

      gatectl explain /healthz -H 'x-version: 2' --address 203.0.113.7

      gatectl explain /api/v1/tickets/7 --user alice --role agent --overrides
    """
    from gatectl.rehearsal.arguments import caller_of, request_of
    from gatectl.rehearsal.explain import explain
    from gatectl.runtime.keyring import redis_of

    asked = request_of(request, header or [], host, address, body_size)
    caller = caller_of(user, role or [], plan, attribute or [], jwt, key, certificate)
    redis = redis_of(state_dir, redis_url) if overrides else None
    view(output).result("explained", explain(files, asked, caller, state_dir, redis))
