"""The service's own settings, beside those that every service has."""

from pathlib import Path
from typing import Any

from serving.settings import Setting, redis_url


def _file(text: str) -> Path | None:
    """A path, None for an empty text. Whether it exists is seen later: it may be mounted late."""
    return Path(text) if text else None


SETTINGS: tuple[Setting[Any], ...] = (
    Setting("redis-url", redis_url, "redis://127.0.0.1:6379/0", "Redis that holds API key records and revoked tokens"),
    Setting(
        "identity-key-file",
        _file,
        "",
        "PEM file of EC P-256 private keys: the first signs x-gate-identity, all are published",
    ),
)
