"""How the Redis of a gateway is."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gatectl.rollout import redis_client
from serving import redis_location


@dataclass(frozen=True)
class RedisStatus:
    """``address`` is where it is, without credentials. ``reason`` is why it does not serve; None when it does. Memory
    is in bytes; ``memory_max`` is None when there is no bound. What it does not tell is None.
    """

    address: str
    reason: str | None = None
    latency_ms: float | None = None
    version: str | None = None
    role: str | None = None
    memory_used: int | None = None
    memory_max: int | None = None


class RedisAdmin:
    """Client of one Redis; its URL may hold a password, and is never shown."""

    def __init__(self, url: str, patience: float) -> None:
        """``patience`` (seconds) is how long an answer is waited for. Raises ValueError for what is no URL of Redis."""
        location = redis_location.parse(url)
        self.address = str(location)
        # whoever looks again is the retry
        self._open = partial(redis_client.client, location, 2, socket_timeout=patience, retry=Retry(NoBackoff(), 0))
        self._client: redis.Redis | None = None

    def status(self) -> RedisStatus:
        """Ask it. Why it cannot be asked is told in our own words: those of a client may quote the URL."""
        try:
            client = self._client = self._client or self._open()
            client.ping()  # the first one on a connection pays for the connection
            started = time.perf_counter()
            client.ping()
            latency = (time.perf_counter() - started) * 1000
        except redis.AuthenticationError:
            return RedisStatus(self.address, "it does not take the password")
        except redis.BusyLoadingError:
            return RedisStatus(self.address, "it still loads its data")
        except (redis.RedisError, OSError, ValueError):
            return RedisStatus(self.address, "it cannot be reached")
        about = _about(client)
        return RedisStatus(
            self.address,
            None,
            round(latency, 2),
            about.get("valkey_version") or about.get("redis_version"),
            about.get("role"),
            about.get("used_memory"),
            about.get("maxmemory") or None,
        )

    def close(self) -> None:
        """Free the connection."""
        if self._client is not None:
            self._client.close()


def _about(client: redis.Redis) -> dict[str, Any]:
    """INFO, of one node if it is a Cluster; empty where that is not allowed."""
    try:
        found: dict[str, Any] = {}
        for section in ("server", "replication", "memory"):
            answer: Any = client.info(section)
            found |= answer
        return found
    except (redis.RedisError, OSError, ValueError):
        return {}
