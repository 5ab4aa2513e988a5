"""A Redis client for one command. What goes wrong is told without the URL: it may hold a password."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import redis
from redis.client import Pipeline

from gatectl.diagnostics import GatectlError
from gatectl.rollout import redis_client
from serving import redis_location

TIMEOUT_SECONDS = 5
T = TypeVar("T")


@contextlib.contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    """A client that speaks text. Raises GatectlError (5) when Redis cannot be used, (64) for a URL that is none."""
    try:
        location = redis_location.parse(url)
    except ValueError as error:
        raise GatectlError(f"the Redis URL {error}", 64) from None
    try:
        with redis_client.client(location, TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS) as client:
            yield client
    except redis.AuthenticationError:
        raise GatectlError(f"Redis at {location} refuses the password of the Redis URL", 5) from None
    except (redis.RedisError, OSError) as error:
        raise GatectlError(f"Redis at {location} cannot be used ({type(error).__name__}); is it running?", 5) from None


def atomically(url: str, name: str, change: Callable[[Pipeline], T]) -> T:
    """What ``change`` returns: it reads what is under ``name``, calls ``multi()`` and writes.

    It is called again when somebody else has written there meanwhile. Raises what it raises, beside what
    :func:`connected` does; then nothing is written.
    """
    with connected(url) as client:
        done: Any = client.transaction(cast("Any", change), name, value_from_callable=True)
        return cast("T", done)


def check(url: str) -> None:
    """Whether Redis can be used at all: it answers PING, which it does not while it reads its data."""
    with connected(url) as client:
        client.ping()
