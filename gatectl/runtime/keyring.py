"""The keys of a gateway: which Redis they are in, under which name, and how new ones are made."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ext_authz import policy as authz
from ext_authz.api_key import Peppers
from gatectl.diagnostics import GatectlError
from gatectl.fields import parse_duration
from gatectl.rollout.place import read_running
from gatectl.rollout.store import CURRENT, Store
from gatectl.runtime.peppers import read_peppers
from gatectl.spec.load import load


class Keyring(NamedTuple):
    """Where keys are and what new ones begin with; ``peppers`` make and check their hashes."""

    redis_url: str
    gateway: str
    prefix: str = authz.DEFAULT_KEY_PREFIX
    peppers: Peppers = Peppers()


def keyring(state_dir: Path, redis_url: str | None, files: Sequence[str]) -> Keyring:
    """Redis URL and gateway name: as given, else those of the gateway that runs in ``state_dir``.

    Raises GatectlError when one of the two stays unknown, or the environment names peppers that are none.
    """
    url, running = redis_of(state_dir, redis_url), read_running(state_dir)
    if files:
        spec = load(files)[0]
        api_keys = spec.authentication.api_keys
        return Keyring(url, spec.name, api_keys.prefix if api_keys else authz.DEFAULT_KEY_PREFIX, read_peppers())
    if running is None:
        raise GatectlError("name the gateway by its spec: -f gateway.yaml", 64)
    return Keyring(url, running.gateway, _prefix_in_force(state_dir), read_peppers())


def redis_of(state_dir: Path, redis_url: str | None) -> str:
    """The Redis URL as given, else that of the gateway that runs in ``state_dir``. Raises GatectlError without one."""
    running = read_running(state_dir)
    url = redis_url or (running.redis_url if running else None)
    if url is None:
        hint = "start one with `gatectl up`, or give --redis-url"
        raise GatectlError(f"no gateway runs in {state_dir}: {hint}", 5)
    return url


def _prefix_in_force(state_dir: Path) -> str:
    store = Store(state_dir)
    bundle = store.bundle(store.generation(CURRENT))
    try:
        api_keys = authz.load(bundle.files["authz.json"]).api_keys if bundle is not None else None
    except ValueError:  # of another version: any prefix will do
        api_keys = None
    return api_keys.prefix if api_keys is not None else authz.DEFAULT_KEY_PREFIX


def named_values(pairs: Sequence[str], option: str) -> dict[str, str]:
    """``name=value`` texts as a mapping. Raises GatectlError (usage) for anything else."""
    split = [pair.partition("=") for pair in pairs]
    for name, separator, value in split:
        if not name or not separator or not value:
            raise GatectlError(f"{option} must be NAME=VALUE", 64)
    return {name: value for name, _, value in split}


def moment(text: str, now: datetime, option: str) -> datetime:
    """A time (ISO 8601 with a zone), or a duration from ``now`` on. Raises GatectlError (usage)."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now + timedelta(milliseconds=parse_duration(text))
        except ValueError:
            message = f"{option} must be a duration from now, such as 90d, or a time such as 2027-01-31T00:00:00Z"
            raise GatectlError(message, 64) from None
    if when.tzinfo is None:
        raise GatectlError(f"{option} must say its time zone: 2027-01-31T00:00:00Z", 64)
    return when.astimezone(UTC)
