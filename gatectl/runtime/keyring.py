"""Where the keys of a gateway are: which Redis, and under which name."""

from collections.abc import Sequence
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.rollout.place import read_running
from gatectl.spec.load import load


def keyring(state_dir: Path, redis_url: str | None, files: Sequence[str]) -> tuple[str, str]:
    """Redis URL and gateway name: as given, else those of the gateway that runs in ``state_dir``.

    Raises GatectlError when one of the two stays unknown.
    """
    running = read_running(state_dir)
    url = redis_url or (running.redis_url if running else None)
    if url is None:
        hint = "start one with `gatectl up`, or give --redis-url"
        raise GatectlError(f"no gateway runs in {state_dir}: {hint}", 5)
    if files:
        return url, load(files)[0].name
    if running is None:
        raise GatectlError("name the gateway by its spec: -f gateway.yaml", 64)
    return url, running.gateway


def attributes(pairs: Sequence[str]) -> dict[str, str]:
    """``name=value`` texts as a mapping. Raises GatectlError (usage) for anything else."""
    split = [pair.partition("=") for pair in pairs]
    for name, separator, value in split:
        if not name or not separator or not value:
            raise GatectlError("--attribute must be NAME=VALUE", 64)
    return {name: value for name, _, value in split}
