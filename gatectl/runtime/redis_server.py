"""A Redis of the gateway's own: on the loopback address, behind a password that no file or process list shows."""

import secrets
from pathlib import Path

from gatectl.runtime import binaries
from gatectl.runtime.processes import Program
from gatectl.runtime.state_dir import LOGS

NAME = DIRECTORY = "redis"


def new_url(port: int) -> str:
    """The URL of a server on 127.0.0.1, with a new random password. It stays the same for as long as `up` runs."""
    return f"redis://:{secrets.token_urlsafe(32)}@127.0.0.1:{port}/0"


def program(state_dir: Path, url: str) -> Program:
    """The server that answers at ``url``, one of :func:`new_url`.

    Every write is in its append-only file before it is answered, so API keys survive a stop and a crash of it.
    """
    password, _, port = url.removeprefix("redis://:").removesuffix("/0").partition("@127.0.0.1:")
    directory = str(state_dir / DIRECTORY).replace("\\", "\\\\").replace('"', '\\"')
    configuration = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": f'"{directory}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "daemonize": "no",
    }
    lines = "".join(f"{name} {value}\n" for name, value in configuration.items())
    return Program(
        name=NAME,
        argv=[str(binaries.redis_server()), "-"],
        cwd=state_dir,
        logs=state_dir / LOGS,
        stdin=lines.encode(),
    )
