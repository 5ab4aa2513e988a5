"""The service's own settings, beside those that every service has."""

from typing import Any

from serving.settings import Setting, redis_url

SETTINGS: tuple[Setting[Any], ...] = (
    Setting("redis-url", redis_url, "redis://127.0.0.1:6379/0", "Redis that holds the API key records"),
)
