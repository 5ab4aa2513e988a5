"""The state directory as a place that secrets and sockets can be put into: ours alone, and with a short path."""

import os
import stat
from pathlib import Path

from gatectl.diagnostics import GatectlError

ADMIN_SOCKET = "admin.sock"
LOGS = "logs"
LONGEST_SOCKET_PATH = 107
"""Bytes; ``sun_path`` of unix(7) holds 108 with the final NUL, and a longer one is cut silently."""


def prepare(state_dir: Path) -> Path:
    """Make the directory, for its owner only, and return its absolute path.

    One that exists must be ours, and nobody else may write there: who can move ``current`` decides who gets in. Raises
    GatectlError.
    """
    directory = state_dir.absolute()
    length = len(os.fsencode(directory / ADMIN_SOCKET))
    if length > LONGEST_SOCKET_PATH:
        raise GatectlError(
            f"the path of Envoy's admin socket, {directory / ADMIN_SOCKET}, is {length} bytes long and may have"
            f" {LONGEST_SOCKET_PATH}: choose a shorter --state-dir"
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise GatectlError(
                f"others can write to {directory}, so they could change the gateway: choose another --state-dir,"
                f" or `chmod go-w {directory}`"
            )
        for name in (LOGS, "issuers", "redis"):
            (directory / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise GatectlError(f"the state directory {directory} cannot be used: {error.strerror}") from None
    return directory
