"""Generations on disk: whole or not there, and whatever happens, what is in force stays in force."""

import json
import resource
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout.apply import apply
from gatectl.rollout.converge import Event
from gatectl.rollout.store import KEEP, MANIFEST, Store, export, in_force
from gatectl.rollout.targets import Targets
from tests.gatectl.crashing import NEW, OLD
from tests.gatectl.specs import bundle

ROOT = Path(__file__).parents[2]


def quiet(_: Event) -> None:
    """Nobody watches."""


def put(rendered: Bundle, store: Store) -> None:
    apply(rendered, store, Targets(), 1, quiet)


@pytest.fixture
def old(tmp_path: Path) -> Bundle:
    return bundle(tmp_path, **OLD)


@pytest.fixture
def new(tmp_path: Path) -> Bundle:
    return bundle(tmp_path, **NEW)


@pytest.fixture
def store(tmp_path: Path, old: Bundle) -> Store:
    """With the old bundle in force."""
    store = Store(tmp_path / "state")
    put(old, store)
    return store


def everything(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and link below, its inode, time and content."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()).encode() if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(directory))] = (
            status.st_ino,
            0 if path.name == ".lock" else status.st_mtime_ns,
            content,
        )
    return found


def test_a_generation_is_what_was_written_and_for_its_owner_only(store: Store, old: Bundle) -> None:
    assert store.generation("current") == old.revision
    assert store.generation("next") is None
    assert store.documents(old.revision) == old.files
    for path in store.state_dir.rglob("*"):
        if not path.is_symlink():
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name == ".lock", path
    assert not stat.S_IMODE(store.state_dir.stat().st_mode) & 0o077


def test_what_is_in_force_already_is_not_touched(store: Store, old: Bundle) -> None:
    before = everything(store.state_dir)
    receipt = apply(old, store, Targets(), 1, quiet)
    assert (receipt.changed, receipt.previous) == (False, old.revision)
    assert everything(store.state_dir) == before


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "a file changed": lambda path: (path / "authz.json").write_text("{}"),
    "a file missing": lambda path: (path / "envoy" / "rds.json").unlink(),
    "no manifest": lambda path: (path / MANIFEST).unlink(),
    "an empty manifest": lambda path: (path / MANIFEST).write_text(""),
    "a manifest that is a list": lambda path: (path / MANIFEST).write_text("[]"),
    "a manifest without files": lambda path: (path / MANIFEST).write_text("{}"),
    "a manifest of no files": lambda path: (path / MANIFEST).write_text('{"files": {}}'),
    "a manifest of a list": lambda path: (path / MANIFEST).write_text('{"files": ["a"]}'),
    "a manifest of numbers": lambda path: (path / MANIFEST).write_text('{"files": {"authz.json": 1}}'),
    "a manifest of NUL": lambda path: (path / MANIFEST).write_text(json.dumps({"files": {"a\0b": "x"}})),
    "a directory for a file": lambda path: ((path / "limits.json").unlink(), (path / "limits.json").mkdir()),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_generation_is_told_and_the_next_apply_mends_it(
    store: Store, old: Bundle, new: Bundle, case: str
) -> None:
    DAMAGE[case](store.state_dir / "generations" / old.revision)
    assert not store.intact(old.revision)
    with pytest.raises(GatectlError, match="damaged; apply a spec again"):
        store.documents(old.revision)
    put(old, store)
    assert store.documents(old.revision) == old.files
    DAMAGE[case](store.state_dir / "generations" / old.revision)
    put(new, store)
    assert (store.generation("current"), store.documents(new.revision)) == (new.revision, new.files)


def test_what_is_not_ours_is_left_alone(tmp_path: Path, old: Bundle) -> None:
    (tmp_path / "current").mkdir()
    with pytest.raises(GatectlError, match="a symlink is expected"):
        put(old, Store(tmp_path))
    assert (tmp_path / "current").is_dir()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where there is one: a hundred deaths sync a lot of files."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as directory:
        yield Path(directory)


@pytest.mark.parametrize("before", [True, False], ids=["over an old one", "as the first"])
def test_a_crash_at_any_step_leaves_the_old_or_the_new_one_whole(
    memory: Path, old: Bundle, new: Bundle, before: bool
) -> None:
    (memory / "before").mkdir(mode=0o700)
    if before:
        put(old, Store(memory / "before"))
    subprocess.run([sys.executable, "-m", "tests.gatectl.crashing", str(memory)], cwd=ROOT, check=True)
    steps = sorted(memory.glob("step-*"))
    assert len(steps) > 40
    seen = set()
    for state in steps:
        store = Store(state)
        name = store.generation("current")
        seen.add(name and in_force(name))
        if name is None:
            assert not before
        else:
            assert store.intact(name)
            assert (
                store.documents(name)["envoy/rds.json"]
                == {old.revision: old, new.revision: new}[in_force(name)].files["envoy/rds.json"]
            )
        put(new, store)
        assert (store.generation("current"), store.generation("next")) == (new.revision, None)
        assert store.documents(new.revision) == new.files
        put(old, store)
        left = {path.name for path in (state / "generations").iterdir()}
        assert left == {old.revision, new.revision}, state.name
    assert seen == {new.revision, old.revision if before else None}


def test_a_full_disk_changes_nothing(store: Store, old: Bundle, new: Bundle) -> None:
    """The kernel refuses files above a size, as it does when no block is left."""
    before = everything(store.state_dir / "generations")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(GatectlError, match=r"cannot be written .*: File too large; nothing was changed") as caught:
            put(new, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 1
    after = everything(store.state_dir / "generations")
    assert {name: (inode, content) for name, (inode, _, content) in after.items()} == {
        name: (inode, content) for name, (inode, _, content) in before.items()
    }
    assert (store.generation("current"), store.generation("next")) == (old.revision, None)


@pytest.mark.parametrize("slot", ["next", "current"])
def test_a_slot_that_cannot_be_switched_is_a_sentence(store: Store, old: Bundle, new: Bundle, slot: str) -> None:
    (store.state_dir / f".{slot}").mkdir()
    with pytest.raises(GatectlError, match=f"{slot} cannot be switched to "):
        put(new, store)
    assert store.generation("current") == old.revision
    (store.state_dir / f".{slot}").rmdir()
    put(new, store)
    assert store.generation("current") == new.revision


@pytest.mark.parametrize("place", ["/proc/gatectl", "/dev/null/gatectl", "/sys/gatectl"])
def test_a_directory_that_cannot_be_made_is_a_sentence(old: Bundle, place: str) -> None:
    with pytest.raises(GatectlError, match=f"the state directory {place} cannot be made"):
        put(old, Store(Path(place)))


def test_a_directory_that_cannot_be_locked_is_a_sentence(store: Store, new: Bundle) -> None:
    (store.state_dir / ".lock").unlink()
    (store.state_dir / ".lock").mkdir()
    with pytest.raises(GatectlError, match="cannot be locked: Is a directory"):
        put(new, store)


def test_of_two_applies_at_once_the_second_refuses(store: Store, old: Bundle, new: Bundle) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    def pause(_: str) -> None:
        under_way.set()
        assert go_on.wait(20)

    first = threading.Thread(target=apply, args=(new, store, Targets(), 1, pause))
    first.start()
    try:
        assert under_way.wait(20)
        with pytest.raises(GatectlError, match="another apply is under way"):
            put(old, Store(store.state_dir))
    finally:
        go_on.set()
        first.join()
    assert store.generation("current") == new.revision


def test_only_so_many_old_generations_are_kept(tmp_path: Path, store: Store, old: Bundle) -> None:
    for port in range(1, KEEP + 4):
        last = bundle(tmp_path, upstreams={"u": {"endpoints": [f"127.0.0.1:{port}"]}})
        put(last, store)
    names = {path.name for path in (store.state_dir / "generations").iterdir()}
    assert len(names) == KEEP + 2, "besides what is in force and what was before"
    assert last.revision in names
    assert old.revision not in names
    store.switch("next", min(names - {last.revision}))
    store.prune()
    assert len(list((store.state_dir / "generations").iterdir())) == KEEP + 2


def test_the_previous_generation_is_kept_however_old_it_is(tmp_path: Path, store: Store, old: Bundle) -> None:
    """It is what a rollback goes to."""
    for port in range(1, KEEP + 4):
        store.write(bundle(tmp_path, upstreams={"u": {"endpoints": [f"127.0.0.1:{port}"]}}))
    put(bundle(tmp_path, upstreams={"u": {"endpoints": ["127.0.0.1:9999"]}}), store)
    assert store.generation("previous") == old.revision
    assert store.intact(old.revision)
    assert len(store.revisions()) == KEEP + 2


def test_an_export_mixes_with_nothing(tmp_path: Path, old: Bundle) -> None:
    directory = tmp_path / "out" / "deep"
    assert export(old, directory) == sorted(old.files)
    assert {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*.json")} == old.files
    with pytest.raises(GatectlError, match="is not empty"):
        export(old, directory)
    with pytest.raises(GatectlError, match="is not empty"):
        export(old, directory / "authz.json")
