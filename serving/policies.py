"""The policies a service has loaded, by revision, and how they are kept in step with the files.

A request is judged by the revision that routed it: the control plane shows a new revision under ``next`` before
Envoy sees it, moves ``current`` when Envoy may, and some requests of the old revision are still on their way then.
So the last few revisions stay loaded; a document that does not load leaves what was there untouched.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic

import watchfiles

if TYPE_CHECKING:
    from serving.service import PolicyT
else:
    from typing import TypeVar

    PolicyT = TypeVar("PolicyT")

log = logging.getLogger(__name__)

KEEP = 4
"""Revisions kept loaded: current, next, and two that a slow Envoy may still be sending."""
SLOTS = ("current", "next")
RECHECK_MS = 1000
"""The files are looked at this often even when no event came: a lost event must not leave a stale policy."""


class PolicyBook(Generic[PolicyT]):
    """Loaded policies by revision. Reading never blocks; a new policy becomes visible whole or not at all."""

    def __init__(self, state_dir: Path, policy_file: str, load: Callable[[bytes], PolicyT]) -> None:
        self._state_dir, self._file, self._load = state_dir, policy_file, load
        self._policies: OrderedDict[str, PolicyT] = OrderedDict()
        self._seen: dict[str, bytes] = {}
        self._listeners: list[Callable[[PolicyT], None]] = []
        self.current: PolicyT | None = None
        """The policy under ``current``: the one in force once Envoy has moved."""
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
        """Call ``listener`` with every policy loaded from now on, and with those loaded already."""
        self._listeners.append(listener)
        for policy in self._policies.values():
            listener(policy)

    def refresh(self) -> bool:
        """Read both slots. True when anything changed: a policy was loaded or refused, or ``current`` moved."""
        changed = False
        for slot in SLOTS:
            path = self._state_dir / slot / self._file
            try:
                document = path.read_bytes()
            except OSError as error:
                # no `next` is the usual state; no `current` means nothing was applied yet
                changed |= self._seen.pop(slot, None) is not None or self.rejected.pop(slot, None) is not None
                log.debug("no policy", extra={"slot": slot, "error": str(error)})
                continue
            if self._seen.get(slot) == document:
                continue
            self._seen[slot] = document
            changed = True
            self._take(slot, document)
        return changed

    def _take(self, slot: str, document: bytes) -> None:
        try:
            policy = self._load(document)
        except ValueError as error:
            self.rejected[slot] = str(error)
            log.error("policy refused, the last good one stays in force", extra={"slot": slot, "error": str(error)})
            return
        self.rejected.pop(slot, None)
        known = policy.revision in self._policies
        self._policies[policy.revision] = policy
        self._policies.move_to_end(policy.revision)
        if slot == "current":
            self.current = policy
        kept = {policy.revision, self.current.revision if self.current else ""}
        for revision in [r for r in self._policies if r not in kept][: max(0, len(self._policies) - KEEP)]:
            del self._policies[revision]
        if not known:
            for listener in self._listeners:
                listener(policy)
        log.info("policy loaded", extra={"slot": slot, "revision": policy.revision})

    async def follow(self) -> AsyncIterator[None]:
        """Refresh on every change under the state directory; yields after each refresh that changed something."""
        events = watchfiles.awatch(
            self._state_dir, recursive=False, debounce=50, step=10, rust_timeout=RECHECK_MS, yield_on_timeout=True
        )
        async for _ in events:
            if self.refresh():
                yield
