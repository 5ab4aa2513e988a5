import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pydantic
import pytest
import watchfiles

from serving import policies
from serving.policies import KEEP, FilesBook, PolicyBook
from tests.serving.processes import stage


@dataclass(frozen=True)
class Policy:
    revision: str
    content: str = ""


class Strict(pydantic.BaseModel):
    revision: int
    url: str


def load(document: bytes) -> Policy:
    return Policy(**json.loads(document))


class World:
    """A state directory and the book that follows it."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.book = PolicyBook(state_dir, "p.json", load)

    def show(self, slot: str, revision: str, content: str = "") -> bool:
        return self.show_raw(slot, json.dumps({"revision": revision, "content": content}))

    def show_raw(self, slot: str, document: str) -> bool:
        stage(self.state_dir, slot, "p.json", document)
        return self.book.refresh()

    def current(self) -> str | None:
        return self.book.current.revision if self.book.current else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nothing_applied_yet_is_no_mistake(world: World) -> None:
    assert not world.book.refresh()
    assert (world.book.current, world.book.revisions, world.book.rejected) == (None, [], {})


def test_next_is_loaded_before_current_moves_and_the_old_one_stays_loaded_after(world: World) -> None:
    assert world.show("current", "a")
    assert world.show("next", "b")
    assert (world.current(), world.book.revisions) == ("a", ["a", "b"])
    assert world.show("current", "b")
    (world.state_dir / "next").unlink()
    assert world.book.refresh()
    assert not world.book.refresh()
    assert (world.current(), world.book.revisions) == ("b", ["a", "b"])


def test_what_stands_in_a_slot_is_never_let_go_however_much_passes_through_the_other(world: World) -> None:
    for staying, passing in (("current", "next"), ("next", "current")):
        world.show(staying, "stays")
        for number in range(3 * KEEP):
            world.show(passing, f"{passing}-{number}")
            assert world.book.get("stays")
            assert len(world.book.revisions) <= KEEP


def test_a_rollback_puts_the_former_revision_in_force_again(world: World) -> None:
    for revision in ("a", "b", "a"):
        world.show("current", revision)
        assert world.current() == revision


@pytest.mark.parametrize("document", ["", "{", "[]", "{}", '{"revision": "b", "extra": 1}'])
def test_a_refused_document_leaves_the_last_good_one_and_is_told_until_it_is_gone(world: World, document: str) -> None:
    world.show("current", "a")
    for slot in ("next", "current"):
        assert world.show_raw(slot, document)
        assert world.book.rejected[slot]
        assert not world.book.refresh()
        assert (world.current(), world.book.revisions) == ("a", ["a"])
    (world.state_dir / "next").unlink()
    assert world.book.refresh()
    assert set(world.book.rejected) == {"current"}
    assert world.show("current", "a")  # put back, the very document that was there before
    assert world.book.rejected == {}


def test_a_slot_without_its_document_is_told_and_one_that_vanishes_is_not(world: World) -> None:
    world.show("current", "a")
    (world.state_dir / "current" / "p.json").unlink()
    assert world.book.refresh()
    assert world.book.rejected == {"current": "p.json cannot be read: No such file or directory"}
    assert not world.book.refresh()
    assert world.current() == "a"
    (world.state_dir / "current").unlink()
    assert world.book.refresh()
    assert world.book.rejected == {}
    assert world.current() == "a"


def test_listeners_hear_of_each_policy_once_and_again_when_its_content_differs(world: World) -> None:
    heard: list[Policy] = []
    world.show("current", "a")
    world.book.on_load(heard.append)
    world.show("next", "b")
    world.show("current", "b")
    world.show("current", "b", "edited")
    assert heard == [Policy("a"), Policy("b"), Policy("b", "edited")]
    assert world.book.get("b") == world.book.current == Policy("b", "edited")


def test_a_listener_that_fails_takes_nobody_down(world: World) -> None:
    heard: list[Policy] = []

    def fail(_: Policy) -> None:
        raise RuntimeError

    world.show("current", "a")
    world.book.on_load(fail)
    world.book.on_load(heard.append)
    world.show("current", "b")
    assert heard == [Policy("a"), Policy("b")]
    assert world.current() == "b"


def test_the_reason_of_a_refusal_names_the_fields_and_quotes_nothing(tmp_path: Path) -> None:
    book = PolicyBook(tmp_path, "p.json", Strict.model_validate_json)  # type: ignore[type-var] # its revision is no text
    stage(tmp_path, "next", "p.json", '{"revision": "https://u:hunter2@h", "url": ["hunter2"]}')
    book.refresh()
    assert book.rejected["next"].startswith("revision: Input should be a valid integer")
    assert "url: Input should be a valid string" in book.rejected["next"]
    assert "hunter2" not in book.rejected["next"]


@pytest.fixture
async def changes(world: World) -> AsyncIterator[asyncio.Queue[str | None]]:
    """What ``follow`` says, as it comes: the revision in force then."""
    said: asyncio.Queue[str | None] = asyncio.Queue()

    async def follow() -> None:
        async for _ in world.book.follow():
            said.put_nowait(world.current())

    task = asyncio.create_task(follow())
    yield said
    task.cancel()
    await asyncio.wait([task])


async def test_a_swapped_symlink_is_followed_at_once(world: World, changes: asyncio.Queue[str | None]) -> None:
    for revision in ("a", "b", "c"):
        stage(world.state_dir, "current", "p.json", json.dumps({"revision": revision}))
        async with asyncio.timeout(2):
            assert await changes.get() == revision


async def test_a_change_that_causes_no_event_is_seen_at_the_next_look(
    world: World, changes: asyncio.Queue[str | None]
) -> None:
    stage(world.state_dir, "current", "p.json", '{"revision": "a"}')
    async with asyncio.timeout(2):
        assert await changes.get() == "a"
    document = (world.state_dir / "current").resolve() / "p.json"
    fresh = document.with_suffix(".fresh")  # below the watched directory, as in a mounted ConfigMap
    fresh.write_text('{"revision": "b"}')
    fresh.replace(document)
    async with asyncio.timeout(3):
        assert await changes.get() == "b"


@pytest.mark.parametrize("error", [OSError(24, "inotify instance limit reached"), RuntimeError("watcher")])
async def test_without_a_watch_the_files_are_still_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(*_: object, **__: object) -> AsyncIterator[set[object]]:
        raise error
        yield set()

    monkeypatch.setattr(watchfiles, "awatch", fail)
    monkeypatch.setattr(policies, "RECHECK_MS", 20)
    stage(world.state_dir, "current", "p.json", '{"revision": "a"}')
    started = time.monotonic()
    async for _ in world.book.follow():
        break
    assert world.current() == "a"
    assert time.monotonic() - started < 2


async def test_files_are_loaded_beside_the_calls(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    def load_slowly(document: bytes) -> Policy:
        begun.set()
        assert go.wait(10), "nobody else had a turn"
        return Policy(document.decode())

    book = FilesBook(tmp_path, (".yaml",), load_slowly)
    changes = book.follow()
    first = asyncio.create_task(anext(changes))
    (tmp_path / "fresh").write_text("one")
    (tmp_path / "fresh").replace(tmp_path / "a.yaml")
    assert await asyncio.to_thread(begun.wait, 10)
    assert book.current is None
    go.set()
    await first
    assert book.current == Policy('{"a.yaml": "one"}')
    (tmp_path / "a.yaml").unlink()
    await anext(changes)
    assert (book.rejected, book.current) == (
        {"current": "*.yaml cannot be read: there is none"},
        Policy('{"a.yaml": "one"}'),
    )
    await changes.aclose()
