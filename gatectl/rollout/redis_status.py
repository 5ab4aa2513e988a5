"""How the Redis of a gateway is."""

import time
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


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
        self._client: redis.Redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=2,
            socket_timeout=patience,
            decode_responses=True,
            max_connections=1,
            retry=Retry(NoBackoff(), 0),  # whoever looks again is the retry
        )
        options = self._client.connection_pool.connection_kwargs
        self.address = str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")

    def status(self) -> RedisStatus:
        """Ask it. Why it cannot be asked is told in our own words: those of a client may quote the URL."""
        try:
            self._client.ping()  # the first one on a connection pays for the connection
            started = time.perf_counter()
            self._client.ping()
            latency = (time.perf_counter() - started) * 1000
        except redis.AuthenticationError:
            return RedisStatus(self.address, "it does not take the password")
        except redis.BusyLoadingError:
            return RedisStatus(self.address, "it still loads its data")
        except (redis.RedisError, OSError, ValueError):
            return RedisStatus(self.address, "it cannot be reached")
        about = self._about()
        return RedisStatus(
            self.address,
            None,
            round(latency, 2),
            about.get("valkey_version") or about.get("redis_version"),
            about.get("role"),
            about.get("used_memory"),
            about.get("maxmemory") or None,
        )

    def _about(self) -> dict[str, Any]:
        """INFO; empty where that is not allowed."""
        try:
            found: dict[str, Any] = {}
            for section in ("server", "replication", "memory"):
                answer: Any = self._client.info(section)
                found |= answer
            return found
        except (redis.RedisError, OSError, ValueError):
            return {}

    def close(self) -> None:
        """Free the connection."""
        self._client.close()
