"""The text files of a directory."""

import errno
import os
from pathlib import Path


def text_files(directory: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Those in it and below it whose names end so: path from there → text; a byte that is no UTF-8 is a lone surrogate.

    Nothing hidden is read, nor what is below a link to a directory: a ConfigMap holds its files once more like that.
    Raises OSError when one cannot be read, and when there is none.
    """
    found = {}
    for folder, below, names in os.walk(directory, onerror=_raise):
        below[:] = [name for name in below if not name.startswith(".")]
        for path in (Path(folder, name) for name in names):
            if path.suffix in suffixes and not path.name.startswith("."):
                found[str(path.relative_to(directory))] = path.read_bytes().decode(errors="surrogateescape")
    if not found:
        raise FileNotFoundError(errno.ENOENT, "there is none")
    return dict(sorted(found.items()))


def _raise(error: OSError) -> None:
    raise error
