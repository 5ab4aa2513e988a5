"""Settings from flags and environment, read once. A bad one ends the process with 64 and a sentence."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

EXIT_USAGE = 64
"""EX_USAGE of sysexits.h."""

T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: ``--redis-url`` on the command line, ``<PREFIX>_REDIS_URL`` in the environment, in that order.

    ``parse`` turns text into the value and raises ValueError with a sentence that says what would be right.
    ``default`` None means: must be given.
    """

    name: str
    parse: Callable[[str], T]
    default: str | None
    help: str


class Values(dict[str, Any]):
    """The parsed settings, by name with underscores: ``values["redis_url"]``."""


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser for integers from ``low`` to ``high``, both included."""

    def parse(text: str) -> int:
        if not text.strip().lstrip("-").isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

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


def address(text: str) -> tuple[str, int]:
    """``host:port``; port 0 asks the kernel for a free one; an IPv6 host stands in brackets."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535 or not host:
        raise ValueError("must be host:port, such as 127.0.0.1:9191")
    return host, int(port)


def redis_url(text: str) -> str:
    """A URL that redis-py understands. The message never repeats it: it may hold a password."""
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return text


SERVING = (
    Setting("listen", address, "127.0.0.1:0", "gRPC address"),
    Setting("http", address, "127.0.0.1:0", "address of /metrics, /status and /healthz"),
    Setting("state-dir", Path, None, "directory that holds `current` and `next`, each a generation with the policy"),
    Setting("workers", whole_number(1, 64), "1", "worker processes that share the gRPC port"),
    Setting("drain-seconds", seconds(0, 300), "10", "how long SIGTERM waits for calls in flight"),
    Setting("log-level", choice("debug", "info", "warning", "error"), "info", "least severity that is logged"),
)
"""What every service has."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)  # noqa: T201 - before logging is set up
        raise SystemExit(EXIT_USAGE)


def read(prog: str, settings: Sequence[Setting[Any]], argv: Sequence[str], environ: Mapping[str, str]) -> Values:
    """Parse every setting; report *all* bad ones on stderr and exit 64. Values from the environment are not echoed."""
    prefix = prog.upper().replace("-", "_")
    parser = _Parser(prog=prog, allow_abbrev=False)
    for setting in settings:
        variable = f"{prefix}_{setting.name.upper().replace('-', '_')}"
        default = "required" if setting.default is None else f"default {setting.default or 'empty'}"
        parser.add_argument(f"--{setting.name}", metavar="VALUE", help=f"{setting.help} ({variable}; {default})")
    given = vars(parser.parse_args(argv))

    values, mistakes = Values(), list[str]()
    for setting in settings:
        key = setting.name.replace("-", "_")
        variable = f"{prefix}_{key.upper()}"
        text, source = given[key], f"--{setting.name}"
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
