"""Options that several commands share, spelt once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gatectl.commands import completion
from gatectl.views import Output

_FILES = typer.Option(
    "--file",
    "-f",
    help="Spec to read, or a directory of them; give it again to lay a file over the ones before; - is stdin.",
    metavar="FILE",
)
Files = Annotated[list[str], _FILES]
OwnFiles = Annotated[list[str] | None, _FILES]
"""The same, for a command that must know whether any was given."""
Admins = Annotated[
    list[str] | None,
    typer.Option(
        "--admin",
        help="Admin of a further Envoy: URL or socket; repeatable, the first one goes ahead.",
        metavar="URL|SOCKET",
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        help="HTTP address of a service that `gatectl up` did not start; repeatable.",
        metavar="NAME=HOST:PORT",
    ),
]
AutoApprove = Annotated[bool, typer.Option("--auto-approve", help="Do not ask.")]
AllowDeletes = Annotated[
    bool, typer.Option("--allow-deletes", help="Go on although more than half of something is deleted.")
]
Message = Annotated[str | None, typer.Option("--message", "-m", help="Why, for the history.", metavar="TEXT")]
StateDir = Annotated[
    Path,
    typer.Option("--state-dir", envvar="GATECTL_STATE_DIR", help="State directory of the gateway.", metavar="DIR"),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]
EnvoyOption = Annotated[
    Literal["auto", "local", "docker", "off"],
    typer.Option("--envoy", help="Which Envoy checks the configuration; auto asks a local binary if there is one."),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        envvar="GATECTL_REDIS_URL",
        help="Redis to use, instead of the running gateway's own.",
        metavar="URL",
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="A role of the user; repeatable.", metavar="ROLE", autocompletion=completion.roles),
]
Plan = Annotated[str | None, typer.Option("--plan", help="The user's plan.", metavar="PLAN")]
Attributes = Annotated[
    list[str] | None, typer.Option("--attribute", help="An attribute of the user; repeatable.", metavar="NAME=VALUE")
]
Timeout = Annotated[float, typer.Option("--timeout", min=1, max=600, help="Longest wait for each step, in seconds.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the running gateway; --no-wait only writes the files.")
]
DEFAULT_FILES = ["gateway.yaml"]
DEFAULT_STATE_DIR = Path(".gatectl")
