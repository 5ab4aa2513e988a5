"""The service's own settings, beside those that every service has."""

from pathlib import Path
from typing import Any

from serving.settings import Setting, directory, redis_url, whole_number


def _own_directory(text: str) -> Path | None:
    return directory(text) if text else None


SETTINGS: tuple[Setting[Any], ...] = (
    Setting("redis-url", redis_url, "redis://127.0.0.1:6379/0", "Redis that holds the API key records"),
    Setting("audit-dir", _own_directory, "", "directory of the audit trail; empty: `audit` in the state directory"),
    Setting("audit-max-mib", whole_number(1, 4096), "64", "MiB at which a file of the audit trail is full"),
    Setting("audit-keep", whole_number(1, 1000), "10", "full files of the audit trail that are kept"),
)
