"""Settings from flags and environment, read once. A bad one ends the process with 64 and a sentence."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypedDict, TypeVar

from serving import redis_location

EXIT_USAGE = 64
"""EX_USAGE of sysexits.h."""

T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: ``--redis-url`` on the command line, ``<PREFIX>_REDIS_URL`` in the environment, in that order.

    ``parse`` turns text into the value and raises ValueError with a sentence that says what would be right.
    ``default`` None means: must be given. A ``secret`` comes from the environment only: every user of a machine can
    read its command lines.
    """

    name: str
    parse: Callable[[str], T]
    default: str | None
    help: str
    secret: bool = False

    @property
    def key(self) -> str:
        """Its name among the :class:`Values`."""
        return self.name.replace("-", "_")


class Values(dict[str, Any]):
    """The parsed settings, by name with underscores: ``values["redis_url"]``."""


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser for integers from ``low`` to ``high``, both included."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A parser for a time in seconds from ``low`` to ``high``, both included."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return value

    return parse


def choice(*words: str) -> Callable[[str], str]:
    """A parser that takes one of ``words``."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def switch(text: str) -> bool:
    """``true`` or ``false``."""
    return choice("true", "false")(text) == "true"


def address(text: str) -> tuple[str, int]:
    """``host:port`` as (host without brackets, port); port 0 asks the kernel for a free one."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\]:([0-9]{1,5})", text)
    match = bracketed or re.fullmatch(r"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*):([0-9]{1,5})", text)
    if match is None or int(match[2]) > 65535 or (bracketed and ":" not in match[1]):
        raise ValueError("must be host:port, such as 127.0.0.1:9191 or [::1]:9191")
    return match[1], int(match[2])


def directory(text: str) -> Path:
    """A path. Whether it exists is seen later: it may be mounted late."""
    if not text:
        raise ValueError("must be the path of a directory")
    return Path(text)


def optional_path(text: str) -> Path | None:
    """A path, None for an empty text. Whether it exists is seen later: it may be mounted late."""
    return Path(text) if text else None


def redis_url(text: str) -> str:
    """A URL of :mod:`serving.redis_location`. The message never repeats it: it may hold a password."""
    redis_location.parse(text)
    return text


STATE_DIR = Setting(
    "state-dir", directory, None, "directory that holds `current` and `next`, each a generation with the policy"
)
"""Where a service finds its policies, unless it says something else."""

SERVING = (
    Setting("listen", address, "127.0.0.1:0", "gRPC address"),
    Setting("http", address, "127.0.0.1:0", "address of /metrics, /status and /healthz"),
    STATE_DIR,
    Setting("workers", whole_number(1, 64), "1", "worker processes that share the gRPC port"),
    Setting("drain-seconds", seconds(0, 300), "10", "how long SIGTERM waits for calls in flight"),
    Setting("log-level", choice("debug", "info", "warning", "error"), "info", "least severity that is logged"),
)
"""What every service has; one whose policies are not generations has another directory in the place of STATE_DIR."""

AUDIT = (
    Setting("audit-dir", optional_path, "", "directory of the audit trail; empty: `audit` in the state directory"),
    Setting("audit-max-mib", whole_number(1, 4096), "64", "MiB at which a file of the audit trail is full"),
    Setting("audit-keep", whole_number(1, 1000), "10", "full files of the audit trail that are kept"),
)
"""What a service has that writes an audit trail."""


class AuditFiles(TypedDict):
    """Where an audit trail goes, the size in bytes at which a file is full, and how many full ones are kept."""

    directory: Path
    max_bytes: int
    keep: int


def audit_files(values: Values) -> AuditFiles:
    """What ``AUDIT`` says; all workers of a service on this machine share these files."""
    directory = values["audit_dir"] or values["state_dir"] / "audit"
    return AuditFiles(directory=directory, max_bytes=values["audit_max_mib"] << 20, keep=values["audit_keep"])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)  # noqa: T201 - before logging is set up
        raise SystemExit(EXIT_USAGE)


def read(prog: str, settings: Sequence[Setting[Any]], argv: Sequence[str], environ: Mapping[str, str]) -> Values:
    """Parse every setting; report *all* bad ones on stderr and exit 64. No value is ever echoed: it may be a secret."""
    prefix = prog.upper().replace("-", "_")
    secrets = [f"{prefix}_{one.name.upper().replace('-', '_')}: {one.help}" for one in settings if one.secret]
    told = f"from the environment only: {'; '.join(secrets)}" if secrets else None
    parser = _Parser(prog=prog, allow_abbrev=False, epilog=told)
    for setting in settings:
        variable = f"{prefix}_{setting.name.upper().replace('-', '_')}"
        if setting.secret:
            continue
        default = "required" if setting.default is None else f"default {setting.default or 'empty'}"
        parser.add_argument(
            f"--{setting.name}",
            metavar="VALUE",
            nargs="?",  # a flag without a value is as good as an empty one: reported with all other mistakes
            const="",
            help=f"{setting.help} ({variable}; {default})",
        )
    known, unknown = parser.parse_known_args(argv)

    values, given, mistakes = Values(), vars(known), _unknown(unknown)
    for setting in settings:
        key = setting.key
        variable = f"{prefix}_{key.upper()}"
        text, source = given.get(key), f"--{setting.name}"
        if text is None and variable in environ:
            text, source = environ[variable], variable
        if text is None:
            text = setting.default
        if text is None:
            mistakes.append(f"--{setting.name} (or {variable}) must be given: {setting.help}")
            continue
        try:
            values[key] = setting.parse(text)
        except ValueError as error:
            mistakes.append(f"{source} {error}")
    if mistakes:
        for mistake in mistakes:
            print(f"{prog}: {mistake}", file=sys.stderr)  # noqa: T201 - before logging is set up
        raise SystemExit(EXIT_USAGE)
    return values


def _unknown(arguments: Sequence[str]) -> list[str]:
    """What to say about arguments that are no setting: flags by name, anything else may be a mistyped flag's value."""
    flags = [match[0] for argument in arguments if (match := re.match(r"--[a-z][a-z-]*", argument))]
    if arguments and not flags:
        return ["takes nothing but settings (see --help)"]
    return [f"{flag} is not a setting (see --help)" for flag in flags]
