"""The service's own settings, beside those that every service has."""

from pathlib import Path
from typing import Any

from ext_authz import peppers
from serving.settings import AUDIT, Setting, optional_path, redis_url

PEPPER_FILE_BYTES = 1 << 16


def pepper_file(text: str) -> tuple[str, ...]:
    """The peppers in a file; an empty name is no file. Raises ValueError."""
    if not text:
        return ()
    try:
        with Path(text).open("rb") as file:
            found = peppers.read(file.read(PEPPER_FILE_BYTES).decode("ascii"))
    except UnicodeDecodeError:
        raise ValueError("must name a file of ASCII text") from None
    except OSError as error:
        raise ValueError(f"must name a file that can be read: {error.strerror}") from None
    if not found:
        raise ValueError("must name a file with a pepper in it")
    return found


SETTINGS: tuple[Setting[Any], ...] = (
    *AUDIT,
    Setting("redis-url", redis_url, "redis://127.0.0.1:6379/0", "Redis that holds API key records and revoked tokens"),
    Setting(
        "identity-key-file",
        optional_path,
        "",
        "PEM file of EC P-256 private keys: the first signs x-gate-identity, all are published",
    ),
    Setting("pepper-file", pepper_file, "", "file of the peppers of API keys, one a line, the newest first"),
    Setting("pepper", peppers.read, "", "a pepper of API keys, after those of the file", secret=True),
)
