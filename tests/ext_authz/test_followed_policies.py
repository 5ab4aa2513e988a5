import asyncio
import json
from pathlib import Path

from ext_authz import policy
from ext_authz.jwks import follow_jwks
from ext_authz.policy import Jwks, Policy
from serving.policies import PolicyBook
from tests.ext_authz.conftest import KeyServer
from tests.ext_authz.worlds import (
    KEY_SET,
    POLICY,
    eventually,
)


def stage(state: Path, slot: str, document: Policy) -> None:
    (state / slot).mkdir(exist_ok=True)
    (state / slot / "authz.json").write_text(document.model_dump_json())


async def test_the_sources_of_every_loaded_policy_are_followed_and_those_of_dropped_ones_let_go(tmp_path: Path) -> None:
    def policy_of(revision: str, file: str) -> Policy:
        issuer = POLICY.issuers[0].model_copy(update={"jwks": Jwks(file=file)})
        return POLICY.model_copy(update={"revision": revision, "issuers": (issuer,)})

    (tmp_path / "a.json").write_bytes(KEY_SET)
    (tmp_path / "b.json").write_bytes(KEY_SET)
    stage(tmp_path, "current", policy_of("r1", "a.json"))
    book = PolicyBook(tmp_path, "authz.json", policy.load)
    book.refresh()
    async with follow_jwks(tmp_path, book) as sources:
        first = sources.source(Jwks(file="a.json"))
        assert first
        assert first.keys
        assert sources.source(Jwks(file="b.json")) is None

        stage(tmp_path, "next", policy_of("r2", str(tmp_path / "b.json")))
        book.refresh()
        second = sources.source(Jwks(file=str(tmp_path / "b.json")))
        assert second
        assert second.keys
        assert sources.source(Jwks(file="a.json")) is first

        for number in range(3, 9):
            stage(tmp_path, "current", policy_of(f"r{number}", "a.json" if number < 4 else "b.json"))
            book.refresh()
        assert sources.source(Jwks(file="a.json")) is None
        assert sources.source(Jwks(file="b.json"))
    assert all(task is asyncio.current_task() for task in asyncio.all_tasks())


async def test_a_url_source_leaves_nothing_running_when_the_worker_ends(server: KeyServer, tmp_path: Path) -> None:
    server.hold.clear()
    issuer = POLICY.issuers[0].model_copy(update={"jwks": Jwks(url=server.url)})
    stage(tmp_path, "current", POLICY.model_copy(update={"issuers": (issuer,)}))
    book = PolicyBook(tmp_path, "authz.json", policy.load)
    book.refresh()
    async with follow_jwks(tmp_path, book):
        await eventually(lambda: server.asked == 1)
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})


def test_a_policy_of_the_format_before_is_refused_whole_and_the_last_good_one_stays_in_force(tmp_path: Path) -> None:
    stage(tmp_path, "current", POLICY)
    book = PolicyBook(tmp_path, "authz.json", policy.load)
    book.refresh()
    old = POLICY.model_dump(mode="json") | {"format": 1, "revision": "r0"}
    del old["certificates"]
    for route in old["routes"].values():
        route["rules"] = [{"methods": None, "roles": None, "where": [{"attribute": "id", "variable": "id"}]}]
    (tmp_path / "current" / "authz.json").write_text(json.dumps(old))
    assert book.refresh()
    assert (book.current, book.get("r0")) == (POLICY, None)
    assert book.rejected["current"].startswith("format: Input should be 2")
