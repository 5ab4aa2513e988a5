"""The policies a service has loaded, by revision, and how they are kept in step with the files.

A request is judged by the revision that routed it: the control plane shows a new revision under ``next`` before
Envoy sees it, moves ``current`` when Envoy may, and some requests of the old revision are still on their way then.
So the last few revisions stay loaded; a document that does not load leaves what was there untouched.
"""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pydantic
import watchfiles

from serving.text_files import text_files

log = logging.getLogger(__name__)

KEEP = 4
"""Revisions kept loaded: current, next, and two that a slow Envoy may still be sending."""
SLOTS = ("current", "next")
RECHECK_MS = 1000
"""The files are looked at this often even when no event came: a lost event must not leave a stale policy."""
REASONS = 3
"""Mistakes in a document that are told, of those there are."""


class Document(Protocol):
    """A policy document as far as this package cares: it names its revision."""

    @property
    def revision(self) -> str:
        """The revision of the gateway that the document belongs to."""


PolicyT = TypeVar("PolicyT", bound=Document)


class PolicyBook(Generic[PolicyT]):
    """Loaded policies by revision. Reading never blocks; a new policy becomes visible whole or not at all."""

    _slots: tuple[str, ...] = SLOTS

    def __init__(self, state_dir: Path, policy_file: str, load: Callable[[bytes], PolicyT]) -> None:
        self._state_dir, self._file, self._load = state_dir, policy_file, load
        self._policies: OrderedDict[str, PolicyT] = OrderedDict()
        self._seen: dict[str, bytes] = {}
        self._in_slot: dict[str, str] = {}
        self._listeners: list[Callable[[PolicyT], None]] = []
        self.current: PolicyT | None = None
        """The last good policy under ``current``: the one in force once Envoy has moved."""
        self.rejected: dict[str, str] = {}
        """Why the document in a slot was refused, by slot; empty when all is well."""

    @property
    def revisions(self) -> list[str]:
        """Loaded revisions, oldest first."""
        return list(self._policies)

    def get(self, revision: str) -> PolicyT | None:
        """The policy of a revision, None when it is not loaded."""
        return self._policies.get(revision)

    def on_load(self, listener: Callable[[PolicyT], None]) -> None:
        """Call ``listener`` with every policy loaded from now on, and with those loaded already.

        What it raises is logged and goes no further: a service must not fall over a document.
        """
        self._listeners.append(listener)
        for policy in self._policies.values():
            _tell(listener, policy)

    def refresh(self) -> bool:
        """Read both slots. True when anything changed: a policy was loaded or refused, or a slot moved."""
        changed = False
        for slot in self._slots:
            try:
                document = self._read(slot)
            except OSError as error:
                self._seen.pop(slot, None)
                changed |= self._refuse(slot, f"{self._file} cannot be read: {error.strerror}")
                continue
            if document is None:
                self._seen.pop(slot, None)
                changed |= self._vacate(slot)
            elif self._seen.get(slot) != document:
                self._seen[slot] = document
                self._take(slot, document)
                changed = True
        return changed

    def _read(self, slot: str) -> bytes | None:
        """The document in a slot; None for an empty slot. Raises OSError when there should be one.

        No `next` is the usual state, no `current` means nothing was applied yet; a slot without a document, or with
        one that cannot be read, is a mistake.
        """
        directory = self._state_dir / slot
        try:
            return (directory / self._file).read_bytes()
        except OSError:
            if directory.is_symlink() or directory.is_dir():
                raise
            return None

    def _vacate(self, slot: str) -> bool:
        rejected = self.rejected.pop(slot, None)
        vacated = self._in_slot.pop(slot, None) if slot != "current" else None  # the last good one stays in force
        return rejected is not None or vacated is not None

    def _refuse(self, slot: str, reason: str) -> bool:
        if self.rejected.get(slot) == reason:
            return False
        self.rejected[slot] = reason
        log.error("policy refused, the last good one stays in force", extra={"slot": slot, "reason": reason})
        return True

    def _take(self, slot: str, document: bytes) -> None:
        try:
            policy = self._load(document)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the last good one stays in force
            self._refuse(slot, _reason(error))
            return
        self.rejected.pop(slot, None)
        new = self._policies.get(policy.revision) != policy
        self._policies[policy.revision] = policy
        self._policies.move_to_end(policy.revision)
        self._in_slot[slot] = policy.revision
        if slot == "current":
            self.current = policy
        kept = {policy.revision, *self._in_slot.values()}
        for revision in [r for r in self._policies if r not in kept][: max(0, len(self._policies) - KEEP)]:
            del self._policies[revision]
        log.info("policy loaded", extra={"slot": slot, "revision": policy.revision})
        if new:
            for listener in self._listeners:
                _tell(listener, policy)

    async def _prepare(self) -> None:
        """Whatever of a refresh can be done while calls go on."""

    async def follow(self) -> AsyncIterator[None]:
        """Refresh on every change under the state directory; yields after each refresh that changed something."""
        watching = True
        while True:
            events = watchfiles.awatch(
                self._state_dir,
                watch_filter=None,  # the default one is blind below directories such as .venv
                recursive=False,
                debounce=50,
                step=10,
                rust_timeout=RECHECK_MS,
                yield_on_timeout=True,
            )
            try:
                async for _ in events:
                    watching = True
                    await self._prepare()
                    if self.refresh():
                        yield
            except (OSError, RuntimeError) as error:  # out of inotify watches, or the directory is gone for now
                if watching:
                    log.warning("state directory cannot be watched, looking once a second", exc_info=error)
                watching = False
            await asyncio.sleep(RECHECK_MS / 1000)
            await self._prepare()
            if self.refresh():
                yield


class FilesBook(PolicyBook[PolicyT]):
    """The policy that all files of one directory make together: a ConfigMap, or a directory somebody edits.

    There is one slot, ``current``, and its document is JSON, ``{name: text}``; a byte that is no UTF-8 stands in a text
    as a lone surrogate. A directory without such files is a mistake and leaves the last good policy in force.
    Such files may be long, and YAML takes its time: while they are followed they are read and loaded in a thread.
    """

    _slots = SLOTS[:1]

    def __init__(self, directory: Path, suffixes: tuple[str, ...], load: Callable[[bytes], PolicyT]) -> None:
        super().__init__(directory, f"*{suffixes[0]}", self._loaded)
        self._suffixes, self._load_document = suffixes, load
        self._document: bytes | OSError | None = None
        self._outcome: PolicyT | Exception | None = None

    def refresh(self) -> bool:
        """As every book does, from what was prepared or else from the files."""
        try:
            return super().refresh()
        finally:
            self._document = self._outcome = None

    async def _prepare(self) -> None:
        await asyncio.to_thread(self._look)

    def _look(self) -> None:
        try:
            self._document = self._read_files()
        except OSError as error:
            self._document = error
            return
        if self._document != self._seen.get(self._slots[0]):
            try:
                self._outcome = self._load_document(self._document)
            except Exception as error:  # noqa: BLE001 - it is raised again where it is expected
                self._outcome = error

    def _read_files(self) -> bytes:
        return json.dumps(text_files(self._state_dir, self._suffixes)).encode()

    def _read(self, slot: str) -> bytes:  # noqa: ARG002 - there is only one
        if isinstance(self._document, OSError):
            raise self._document
        return self._read_files() if self._document is None else self._document

    def _loaded(self, document: bytes) -> PolicyT:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._load_document(document) if self._outcome is None else self._outcome


def _tell(listener: Callable[[PolicyT], None], policy: PolicyT) -> None:
    try:
        listener(policy)
    except Exception:
        log.exception("policy not fully put to use", extra={"revision": policy.revision})


def _reason(error: Exception) -> str:
    """Why a document was refused, without quoting from it: it may hold a URL with a password."""
    if not isinstance(error, pydantic.ValidationError):
        return str(error) if isinstance(error, ValueError) else type(error).__name__
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)
    told = [": ".join(filter(None, (".".join(map(str, m["loc"])), m["msg"]))) for m in mistakes[:REASONS]]
    more = len(mistakes) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
