"""A file that is not there yet."""

from pathlib import Path

from gatectl.diagnostics import GatectlError


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write ``text``; over a file that is there only when ``force`` is set. Raises GatectlError."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise GatectlError(f"{path} is there already; --force overwrites it") from None
    except OSError as error:
        raise GatectlError(f"{path} cannot be written: {error.strerror}") from None
