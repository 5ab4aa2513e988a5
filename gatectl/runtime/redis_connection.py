"""A connection to Redis for one command, whose failures can be shown."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import redis

from gatectl.diagnostics import GatectlError

TIMEOUT_SECONDS = 5


@contextlib.contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    """A client for one command. Raises GatectlError (5; 64 for a bad URL) without the URL: it may hold a password."""
    try:
        client = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
    except ValueError:
        raise GatectlError(
            "the Redis URL makes no sense: redis://[user:password@]host:port/number is needed", 64
        ) from None
    try:
        with client:
            yield client
    except redis.AuthenticationError:
        raise GatectlError(f"Redis at {_place(url)} refuses the password of the Redis URL", 5) from None
    except (redis.RedisError, OSError) as error:
        raise GatectlError(
            f"Redis at {_place(url)} cannot be used ({type(error).__name__}); is it running?", 5
        ) from None


def _place(url: str) -> str:
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
