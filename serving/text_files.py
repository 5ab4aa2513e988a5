"""The text files of a directory."""

import errno
from pathlib import Path


def text_files(directory: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Those that are not hidden and whose names end so: name → text; a byte that is no UTF-8 is a lone surrogate.

    Raises OSError when one cannot be read, and when there is none.
    """
    found = {
        path.name: path.read_bytes().decode(errors="surrogateescape")
        for path in sorted(directory.iterdir())
        if path.suffix in suffixes and not path.name.startswith(".")
    }
    if not found:
        raise FileNotFoundError(errno.ENOENT, "there is none")
    return found
