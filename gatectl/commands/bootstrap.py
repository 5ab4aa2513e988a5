"""gatectl bootstrap."""

from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, StateDir
from gatectl.views import view


def run(
    gateway: Annotated[str, typer.Argument(help="Name of the gateway, as in its spec.", metavar="GATEWAY")],
    ext_authz: Annotated[str, typer.Option("--ext-authz", help="gRPC address of ext_authz.", metavar="HOST:PORT")],
    ratelimit: Annotated[str, typer.Option("--ratelimit", help="gRPC address of ratelimit_svc.", metavar="HOST:PORT")],
    node: Annotated[
        str | None,
        typer.Option("--node", help="Id of an Envoy that gets a directory of its own, nodes/ID.", metavar="ID"),
    ] = None,
    admin_listen: Annotated[
        str, typer.Option("--admin-listen", help="Where Envoy's admin shall listen.", metavar="HOST:PORT")
    ] = "127.0.0.1:9901",
    state_dir: StateDir = DEFAULT_STATE_DIR,
    output: OutputOption = "human",
) -> None:
    """Write what an Envoy is started with, when something else than `gatectl up` starts it.

    Envoys that share the state directory switch together. An Envoy with a directory of its own can go first, as the
    canary: start it there, and name its admin to `gatectl apply --admin`.

    Examples:

      gatectl bootstrap shop --ext-authz a:91 --ratelimit r:92 --state-dir shop
    """
    from gatectl.rollout import bootstrap

    services = bootstrap.endpoint("--ext-authz", ext_authz), bootstrap.endpoint("--ratelimit", ratelimit)
    path = bootstrap.write(state_dir, gateway, node, bootstrap.endpoint("--admin-listen", admin_listen), *services)
    data = {"file": str(path), "directory": str(path.parent), "name": path.name}
    view(output).result("bootstrapped", data)
