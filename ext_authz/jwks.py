"""Where issuers' keys come from: files that are watched, and URLs that are asked in the background.

The last good set of a source stays in force when a reading fails, for as long as the issuer's ``max_stale_seconds``
say. No request ever waits for a source, but for one case: a token signed with a key that is not known yet may have the
set read anew, at most once in ten seconds.
"""

import asyncio
import contextlib
import ipaddress
import logging
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import httpx

from ext_authz import jwk_set, telemetry
from ext_authz.jwk_set import KeyRing
from ext_authz.policy import Jwks, Policy
from ext_authz.watched_file import WatchedFile
from serving.policies import PolicyBook

log = logging.getLogger(__name__)

FILE_SECONDS = 1.0
"""How often a file is looked at."""
JITTER = 0.1
"""Part of its ``refresh_seconds`` by which a URL is asked sooner or later, so that workers do not ask in step."""
COOLDOWN_SECONDS = 10.0
"""Least time between two readings of a URL, also after a failure."""
FETCH_SECONDS = 5.0
WAIT_SECONDS = 0.2
"""How long a request waits for a new set. Must stay below Envoy's timeout for the Check."""


class Source(Protocol):
    """One key set and its way here."""

    keys: KeyRing | None
    """The last good set; None when there was none yet. The same object for as long as the keys are the same."""

    def usable(self, max_stale_seconds: float) -> KeyRing | None:
        """The last good set, unless it is older than that."""

    async def follow(self) -> None:
        """Keep ``keys`` up to date until cancelled."""

    async def renew(self) -> bool:
        """Somebody met a key that is not in the set: see whether there is a newer one. Returns soon, never raises.

        True when the set was read just now, so that what is not in it does not exist.
        """


class FileSource:
    """A JWKS file. Read on creation and whenever it changes."""

    def __init__(self, path: Path) -> None:
        self.keys: KeyRing | None = None
        self._file = WatchedFile(path)
        self._good, self._read_at = False, float("-inf")
        self._read()

    def usable(self, max_stale_seconds: float) -> KeyRing | None:
        """As :class:`Source` says; a file that is as it was counts as read."""
        return self.keys if time.monotonic() - self._read_at <= max_stale_seconds else None

    def _read(self) -> None:
        if not self._file.changed():
            self._read_at = time.monotonic() if self._good else self._read_at
            return
        self._good, path = False, self._file.path
        try:
            with path.open("rb") as file:
                keys = jwk_set.parse(file.read(jwk_set.MAX_BYTES + 1))
        except OSError as error:
            _failed("file", str(path), type(error).__name__)
        except ValueError as error:
            _failed("file", str(path), str(error))
        else:
            self.keys = _same_or_new(self.keys, keys)
            self._good, self._read_at = True, time.monotonic()
            _succeeded("file", str(path), self.keys)

    async def follow(self) -> None:
        """Look at the file once a second."""
        while True:
            await asyncio.sleep(FILE_SECONDS)
            self._read()

    async def renew(self) -> bool:
        """Look at the file now."""
        self._read()
        return self._good


class UrlSource:
    """A JWKS URL: https, or http to this very machine."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.keys: KeyRing | None = None
        self._url, self._client = url, client
        self._place = url.partition("?")[0].rpartition("@")[2]  # for the log: without query, user and password
        self._asked_at = self._read_at = float("-inf")
        self.refresh_seconds = 300.0
        """How often it is asked. Counts from the next answer on."""
        self._flight: asyncio.Task[bool] | None = None

    def usable(self, max_stale_seconds: float) -> KeyRing | None:
        """As :class:`Source` says."""
        return self.keys if time.monotonic() - self._read_at <= max_stale_seconds else None

    async def follow(self) -> None:
        """Ask every ``refresh_seconds``; after a failure as soon as the cool-down allows."""
        try:
            while True:
                good = await asyncio.shield(self._fly())
                jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
                await asyncio.sleep(self.refresh_seconds * jitter if good else COOLDOWN_SECONDS)
        finally:
            if self._flight is not None:
                self._flight.cancel()

    async def renew(self) -> bool:
        """Ask now, unless that was done within the cool-down; wait a moment for an answer that is on its way."""
        if self._flight is None and time.monotonic() - self._asked_at < COOLDOWN_SECONDS:
            return False
        flight = self._fly()
        await asyncio.wait({flight}, timeout=WAIT_SECONDS)
        return flight.done() and not flight.cancelled() and flight.result()

    def _fly(self) -> asyncio.Task[bool]:
        """The reading that is under way, or a new one."""
        if self._flight is None:
            self._asked_at = time.monotonic()
            self._flight = asyncio.create_task(self._ask())
            self._flight.add_done_callback(self._landed)
        return self._flight

    def _landed(self, _: asyncio.Task[bool]) -> None:
        self._flight = None

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = jwk_set.parse(await fetch(self._client, self._url))
        except ValueError as error:
            _failed("url", self._place, str(error))
            return False
        except Exception as error:  # noqa: BLE001 - whatever the network does, the next reading must take place
            _failed("url", self._place, type(error).__name__)
            return False
        self.keys, self._read_at = _same_or_new(self.keys, keys), self._asked_at
        _succeeded("url", self._place, self.keys)
        return True


async def fetch(client: httpx.AsyncClient, url: str) -> bytes:
    """The body of a 200 answer. Raises ValueError (text safe to log) for a bad one, and whatever httpx raises.

    A redirect is refused: who can redirect the request can choose the keys.
    """
    target = httpx.URL(url)
    if target.scheme != "https" and not (target.scheme == "http" and _is_loopback(target.host)):
        raise ValueError("a key set is fetched by https only (http to the loopback address)")
    async with client.stream("GET", target, headers={"accept-encoding": "identity"}) as response:
        if response.status_code != 200:
            raise ValueError(f"the answer was {response.status_code}")
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > jwk_set.MAX_BYTES:
                raise ValueError("the key set is larger than 1 MiB")
    return body


class JwksSources:
    """The sources of every loaded policy; those that no policy names any more are let go."""

    def __init__(self, state_dir: Path, client: httpx.AsyncClient) -> None:
        self._state_dir, self._client = state_dir, client
        self._sources: dict[tuple[str | None, str | None], Source] = {}
        self._tasks: dict[tuple[str | None, str | None], asyncio.Task[None]] = {}

    def source(self, jwks: Jwks) -> Source | None:
        """The source that a policy names; None when that policy is not loaded."""
        return self._sources.get((jwks.file, jwks.url))

    def follow(self, policies: list[Policy]) -> None:
        """Have exactly the sources of these policies. Files are read before this returns."""
        named = [issuer.jwks for policy in policies for issuer in policy.issuers]
        wanted = {(jwks.file, jwks.url) for jwks in named}
        for at in self._sources.keys() - wanted:
            del self._sources[at]
            self._tasks.pop(at).cancel()
        for at in wanted - self._sources.keys():
            file, url = at
            source: Source = FileSource(self._state_dir / file) if file else UrlSource(url or "", self._client)
            self._sources[at] = source
            self._tasks[at] = asyncio.create_task(source.follow())
        for at, source in self._sources.items():
            if isinstance(source, UrlSource):
                source.refresh_seconds = min(jwks.refresh_seconds for jwks in named if (jwks.file, jwks.url) == at)

    async def close(self) -> None:
        """Stop all background work."""
        tasks = list(self._tasks.values())
        self.follow([])
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def follow_jwks(state_dir: Path, book: PolicyBook[Policy]) -> AsyncIterator[JwksSources]:
    """The sources of all policies in the book, followed for as long as the block lasts."""
    async with httpx.AsyncClient(follow_redirects=False, timeout=FETCH_SECONDS) as client:
        sources = JwksSources(state_dir, client)
        book.on_load(lambda _: sources.follow([p for r in book.revisions if (p := book.get(r)) is not None]))
        try:
            yield sources
        finally:
            await sources.close()


def _same_or_new(known: KeyRing | None, read: KeyRing) -> KeyRing:
    """The known object when the keys are the same: what was verified with them stays verified."""
    return known if known == read else read


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _succeeded(kind: str, place: str, keys: KeyRing | None) -> None:
    telemetry.JWKS_REFRESHES.labels(kind, "ok").inc()
    log.info("issuer keys loaded", extra={"source": place, "keys": len(keys or ())})


def _failed(kind: str, place: str, why: str) -> None:
    telemetry.JWKS_REFRESHES.labels(kind, "failed").inc()
    log.error("issuer keys not loaded, the last good set stays in force", extra={"source": place, "error": why})
