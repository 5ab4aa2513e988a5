"""gatectl apply."""

from typing import Annotated

import typer

from gatectl.commands.options import (
    DEFAULT_FILES,
    DEFAULT_STATE_DIR,
    EnvoyOption,
    Files,
    OutputOption,
    StateDir,
    Timeout,
)
from gatectl.views import view


def run(
    files: Files = DEFAULT_FILES,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    envoy: EnvoyOption = "auto",
    timeout: Timeout = 30,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the running gateway; --no-wait only writes the files.")
    ] = True,
    ext_authz: Annotated[
        str | None,
        typer.Option(
            "--ext-authz", help="With --ratelimit: also write bootstrap.json with these addresses.", metavar="HOST:PORT"
        ),
    ] = None,
    ratelimit: Annotated[
        str | None, typer.Option("--ratelimit", help="gRPC address of ratelimit_svc for Envoy.", metavar="HOST:PORT")
    ] = None,
    admin: Annotated[
        str, typer.Option("--admin", help="Where Envoy's admin listens, for bootstrap.json.", metavar="HOST:PORT")
    ] = "127.0.0.1:9901",
    output: OutputOption = "human",
) -> None:
    """Bring a spec into force on the running gateway.

    Writes a new generation, lets both services load it, switches with one rename and waits until Envoy and both
    services report the revision. If anybody refuses, the previous generation is put back (exit code 4), and so it is
    when somebody does not answer in time (5). Applying what is in force already changes nothing.

    Examples:

      gatectl apply -f gateway.yaml

      gatectl apply -f base.yaml -f prod.yaml --timeout 60 -o json

      gatectl apply -f gateway.yaml --state-dir /state --no-wait
    """
    from gatectl.rollout import apply as rollout
    from gatectl.rollout import bootstrap
    from gatectl.rollout.candidate import prove, read
    from gatectl.rollout.place import read_running
    from gatectl.rollout.store import Store
    from gatectl.rollout.targets import targets_of

    shown = view(output)
    running = read_running(state_dir)
    candidate, store = read(files, running.port if running else None), Store(state_dir)
    targets = targets_of(state_dir, running, candidate.bundle.gateway, wait=wait)
    if not store.holds(candidate.bundle.revision):  # what is in force has been proven
        shown.progress("checking what it renders to")
        candidate = prove(candidate, envoy)
    if ext_authz is not None or ratelimit is not None:
        services = bootstrap.endpoint("--ext-authz", ext_authz), bootstrap.endpoint("--ratelimit", ratelimit)
        bootstrap.write(state_dir, candidate.bundle.gateway, bootstrap.endpoint("--admin", admin), *services)
    receipt = rollout.apply(candidate.bundle, store, targets, timeout, shown.progress)
    data = {
        "gateway": candidate.bundle.gateway,
        "revision": receipt.revision,
        "previous": receipt.previous,
        "changed": receipt.changed,
        "proven": list(receipt.proven),
    }
    shown.result("applied", data)
