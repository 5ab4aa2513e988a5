"""The files of a spec: what `-f` names, as texts. Light on purpose: shell completion reads by it too."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatectl.diagnostics import Diagnostic, SpecError

STDIN = "-"
ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Source:
    """One text. ``name`` is what messages call it; ``file`` is None for standard input."""

    name: str
    text: str
    file: Path | None


def expand(files: Iterable[str]) -> list[str]:
    """The files in reading order: a directory stands for its YAML files, sorted by name.

    Raises SpecError for every directory that holds none or cannot be read.
    """
    found: list[str] = []
    mistakes: list[Diagnostic] = []
    for file in files:
        path = Path(file)
        if file == STDIN or not path.is_dir():
            found.append(file)
            continue
        try:
            inside = sorted(entry for entry in path.iterdir() if entry.suffix in ENDINGS and entry.is_file())
        except OSError as error:
            mistakes.append(Diagnostic("GC0001", f"{file} cannot be read: {error.strerror}"))
            continue
        if not inside:
            hint = "a directory stands for the .yaml files in it, in the order of their names"
            mistakes.append(Diagnostic("GC0001", f"{file} is a directory without a .yaml file", hint=hint))
        found += map(str, inside)
    if mistakes:
        raise SpecError(mistakes)
    return found


def read(file: str) -> Source:
    """One file, or standard input for ``-``. Raises SpecError when it cannot be read or is not UTF-8."""
    name = "<stdin>" if file == STDIN else file
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        text = content.decode()  # not by sys.stdin itself: that follows the locale
    except UnicodeDecodeError as error:
        raise SpecError([Diagnostic("GC0001", f"{name} is not UTF-8 text (byte {error.start})")]) from None
    except (OSError, ValueError) as error:  # ValueError: a file name with a NUL in it
        hint = "`gatectl init` writes a start" if isinstance(error, FileNotFoundError) else None
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError([Diagnostic("GC0001", f"{name} cannot be read: {reason}", hint=hint)]) from None
    return Source(name, text, None if file == STDIN else Path(file))


def directory(files: Sequence[str]) -> Path:
    """Where the first file lies, absolute: what is relative in the spec counts from there."""
    first = files[0]
    if first == STDIN:
        return Path.cwd()
    path = Path(first).absolute()
    return path if path.is_dir() else path.parent
