"""Spec files rewritten in the one style, each whole or not at all."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatectl.diagnostics import Diagnostic, GatectlError, SpecError
from gatectl.rollout.place import write_whole
from gatectl.spec import sources
from gatectl.spec.formatting import formatted
from gatectl.spec.sources import Source


@dataclass(frozen=True)
class Formatted:
    """A file before and after."""

    source: Source
    text: str

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.text != self.source.text

    def diff(self) -> str:
        """What changes, as a unified diff."""
        before, after = self.source.text.splitlines(keepends=True), self.text.splitlines(keepends=True)
        return "".join(difflib.unified_diff(before, after, self.source.name, self.source.name))


def read(files: Sequence[str]) -> list[Formatted]:
    """Every file, formatted. Raises SpecError with the mistakes of all of them; then none is written."""
    mistakes: list[Diagnostic] = []
    found: list[Formatted] = []
    for given in files:
        try:
            for file in sources.expand([given]):
                source = sources.read(file)
                found.append(Formatted(source, formatted(source.name, source.text)))
        except SpecError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise SpecError(mistakes)
    return found


def write(found: Sequence[Formatted]) -> None:
    """Write what changes; a file keeps its mode. Raises GatectlError."""
    for one in found:
        if one.changed and one.source.file is not None:
            _write(one.source.file.resolve(), one.text)  # behind a symbolic link lies the file itself


def _write(path: Path, text: str) -> None:
    try:
        mode = path.stat().st_mode & 0o7777
        write_whole(path, text.encode(), mode)
        path.chmod(mode)  # the umask may have taken something from it
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None


def data(found: Sequence[Formatted], *, check: bool, diff: bool) -> dict[str, object]:
    """For the views."""
    return {
        "checked": check,
        "files": [
            {
                "file": one.source.name,
                "changed": one.changed,
                "diff": one.diff() if diff and one.changed else None,
                "text": one.text if one.source.file is None and not check and not diff else None,
            }
            for one in found
        ],
    }
