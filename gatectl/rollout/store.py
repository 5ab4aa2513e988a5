"""Generations on disk. What is in force is one symlink, and one rename moves it.

A generation is written under a name of its own, synced, and only then given its real name: there is no moment at
which a half-written one could be read. A crash leaves either the old one or the new one in force.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle, canonical

GENERATIONS = "generations"
MANIFEST = "manifest.json"
KEEP = 20
"""Generations kept; those that a slot points to never count as old."""
CURRENT, NEXT, PREVIOUS = "current", "next", "previous"
"""Slots: symlinks in the state directory. What is in force, what is about to be, and what was before."""
NODES = "nodes"
"""Where Envoys have directories of their own: ``nodes/<node id>/current`` is a slot too."""


def in_force(generation: str) -> str:
    """The revision that a generation puts in force; the name of one of passage holds two (see ``stages``)."""
    return generation.partition("+")[0]


class Store:
    """The generations of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir

    def prepare(self) -> None:
        """Make the directory, for its owner only. Raises GatectlError when that is not possible."""
        try:
            self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.state_dir / GENERATIONS).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise GatectlError(f"the state directory {self.state_dir} cannot be made: {error.strerror}") from None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Only one apply at a time. Raises GatectlError when another one is under way."""
        with contextlib.ExitStack() as held:
            try:
                file = held.enter_context((self.state_dir / ".lock").open("w"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GatectlError(
                    f"another apply is under way in {self.state_dir}; try again when it is done"
                ) from None
            except OSError as error:
                raise GatectlError(f"{self.state_dir} cannot be locked: {error.strerror}") from None
            yield

    def is_locked(self) -> bool:
        """Is a rollout under way?"""
        try:
            with (self.state_dir / ".lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def generation(self, slot: str) -> str | None:
        """The name of the generation in a slot; None when it is empty. Raises GatectlError when it is no symlink."""
        try:
            return (self.state_dir / slot).readlink().name
        except FileNotFoundError:
            return None
        except OSError:
            raise GatectlError(f"{self.state_dir / slot} is not ours: a symlink is expected; move it away") from None

    def revision(self, slot: str = CURRENT) -> str | None:
        """The revision that a slot puts in force; None when it is empty. Raises GatectlError."""
        name = self.generation(slot)
        return in_force(name) if name else None

    def manifest(self, name: str) -> dict[str, Any] | None:
        """What is noted about a generation; None when it is not there."""
        with contextlib.suppress(OSError, ValueError):
            manifest: dict[str, Any] = json.loads((self._path(name) / MANIFEST).read_bytes())
            return manifest
        return None

    def intact(self, name: str) -> bool:
        """Is every file of a generation what was written?"""
        return self._read(name) is not None

    def bundle(self, name: str | None, gateway: str = "") -> Bundle | None:
        """A generation as the bundle that it was, read once; None when there is none, or when it is not intact."""
        files = self._read(name) if name else None
        return Bundle(gateway, in_force(name), files) if name and files is not None else None

    def documents(self, name: str) -> dict[str, bytes]:
        """Every file of a generation. Raises GatectlError when it is not intact."""
        files = self._read(name)
        if files is None:
            raise GatectlError(f"generation {name} was changed by hand or is damaged; apply a spec again")
        return files

    def _read(self, name: str) -> dict[str, bytes] | None:
        """Every file of a generation, read once; None unless each is what was written."""
        try:
            digests = (self.manifest(name) or {})["files"].items()
            files = {file: (self._path(name) / file).read_bytes() for file, _ in digests}
            return files if files and all(_digest(files[file]) == digest for file, digest in digests) else None
        except (OSError, KeyError, TypeError, AttributeError, ValueError):  # the manifest may be damaged too
            return None

    def holds(self, revision: str) -> bool:
        """Is the revision in force, whole, and not on its way?"""
        return self.generation(CURRENT) == revision and self.intact(revision)

    def write(self, bundle: Bundle, name: str | None = None) -> str:
        """Write a bundle as a generation and return its name. One that is there, and the same, stays as it is."""
        name = name or bundle.revision
        if self._read(name) == bundle.files:  # not by its name alone: a passage may have started elsewhere
            return name
        draft = self.state_dir / GENERATIONS / f".{name}"
        shutil.rmtree(draft, ignore_errors=True)
        manifest = {
            "revision": bundle.revision,
            "gateway": bundle.gateway,
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {file: _digest(content) for file, content in bundle.files.items()},
        }
        try:
            _write_files(draft, {**bundle.files, MANIFEST: canonical(manifest).encode()})
            damaged = draft.with_name(f".{name}.damaged")
            if self._path(name).exists():  # it may be in force: out of the way by one rename
                shutil.rmtree(damaged, ignore_errors=True)
                self._path(name).rename(damaged)
            draft.rename(self._path(name))
            _sync(self.state_dir / GENERATIONS)
            shutil.rmtree(damaged, ignore_errors=True)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise GatectlError(
                f"the generation cannot be written to {self.state_dir}: {error.strerror}; nothing was changed"
            ) from None
        return name

    def node_slots(self) -> list[str]:
        """The slots of Envoys that have a directory of their own."""
        return sorted(f"{NODES}/{one.name}/{CURRENT}" for one in (self.state_dir / NODES).glob("*") if one.is_dir())

    def revisions(self) -> list[str]:
        """The revisions whose generations are here, those of passage left out; the oldest first."""
        entries = [
            one for one in (self.state_dir / GENERATIONS).glob("*") if one.name[0] != "." and "+" not in one.name
        ]
        return [one.name for one in sorted(entries, key=lambda one: one.lstat().st_mtime)]

    def resolve(self, revision: str | None, default: str = CURRENT) -> str:
        """A whole revision, by its first digits or, for None, the one in a slot. Raises GatectlError."""
        if revision is None:
            name = self.generation(default)
            if name is None:
                raise GatectlError(f"{self.state_dir} has no {default} generation")
            return in_force(name)
        found = [one for one in self.revisions() if revision and one.startswith(revision)]
        if len(found) != 1:
            problem = f"{len(found)} revisions begin with" if found else "no generation is kept of"
            known = ", ".join(reversed(self.revisions())) or "none"
            raise GatectlError(f"{problem} {revision}; kept: {known}")
        return found[0]

    def switch(self, slot: str, name: str | None) -> None:
        """Point a slot to a generation, or empty it. One rename: readers see the old one or the new one.

        Raises GatectlError when the directory cannot be written.
        """
        link = self.state_dir / slot
        fresh = link.with_name(f".{link.name}")
        try:
            if name is None:
                link.unlink(missing_ok=True)
                return
            fresh.unlink(missing_ok=True)
            fresh.symlink_to("../" * slot.count("/") + f"{GENERATIONS}/{name}")
            fresh.replace(link)
            _sync(link.parent)
        except OSError as error:
            raise GatectlError(f"{link} cannot be switched to {name or 'nothing'}: {error.strerror}") from None

    def prune(self) -> None:
        """Remove the oldest generations beyond ``KEEP``, those of passage, and leftovers of an interrupted write."""
        slots = (CURRENT, NEXT, PREVIOUS, *self.node_slots())
        keep = {name for slot in slots if (name := self.generation(slot)) is not None}
        keep |= {in_force(name) for name in keep}
        entries = list((self.state_dir / GENERATIONS).iterdir())
        for entry in entries:
            if entry.name.startswith(".") or ("+" in entry.name and entry.name not in keep):
                shutil.rmtree(entry, ignore_errors=True)
        old = sorted(
            (entry for entry in entries if entry.name not in keep and entry.exists()),
            key=lambda entry: entry.lstat().st_mtime,
        )
        for entry in old[: max(0, len(old) - KEEP)]:
            shutil.rmtree(entry, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.state_dir / GENERATIONS / name


def export(bundle: Bundle, directory: Path) -> list[str]:
    """Write a bundle's files to a directory that is new or empty; returns their names.

    Raises GatectlError when there is something already: what a user has there is not ours to mix with.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise GatectlError(f"{directory} is not empty; name a new directory")
    try:
        _write_files(directory, bundle.files)
    except OSError as error:
        raise GatectlError(f"{directory} cannot be written: {error.strerror}") from None
    return sorted(bundle.files)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            path.chmod(0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
