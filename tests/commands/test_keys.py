"""`gatectl keys` as an operator types it, on a Redis of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ext_authz.api_key import Peppers, parse, redis_key, uses_key
from gatectl.cli import run
from tests.ext_authz.conftest import Valkey

PEPPER = "the-pepper-of-these-tests-is-long-enough"


class Desk:
    """A spec, a Redis, and the command line."""

    def __init__(self, spec: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.spec, self.url, self._capsys = spec, url, capsys

    def keys(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        assert run(["keys", *arguments, "-f", str(self.spec), "--redis-url", self.url]) == code
        captured = self._capsys.readouterr()
        assert PEPPER not in captured.out + captured.err
        self.errors = captured.err
        return captured.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.keys(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def desk(
    server: Valkey, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    spec = tmp_path / "gateway.yaml"
    spec.write_text(
        "version: 1\nname: shop\nauthentication: {api_keys: {prefix: shop1}}\nupstreams: {u: {endpoints: [a:1]}}\n"
        "routes: [{name: r, match: {path: /}, upstream: u, access: public}]\n"
    )
    monkeypatch.setenv("GATECTL_PEPPER", PEPPER)
    monkeypatch.chdir(tmp_path)
    yield Desk(spec, server.url, capsys)
    with redis.Redis.from_url(server.url) as client:
        client.flushall()


def test_a_key_has_the_gateways_prefix_and_everything_that_was_asked_for(desk: Desk) -> None:
    words = "bob --role agent --plan pro --attribute tenant=acme --owner ops@x --name batch --label env=prod"
    made = desk.json("create", *words.split(), *["--network", "10.0.0.0/8", "--not-before", "1h", "--expires", "90d"])
    assert made["key"].startswith(f"shop1_{made['id']}_")
    shown = desk.json("show", made["id"])
    assert {**shown, "key": made["key"]} == made
    told = {field: shown[field] for field in ("user", "roles", "plan", "attributes", "owner", "name", "labels")}
    assert told == {
        "user": "bob",
        "roles": ["agent"],
        "plan": "pro",
        "attributes": {"tenant": "acme"},
        "owner": "ops@x",
        "name": "batch",
        "labels": {"env": "prod"},
    }
    assert (shown["networks"], shown["state"], shown["last_used_at"]) == (["10.0.0.0/8"], "pending", None)
    sealed = Peppers([PEPPER]).seal(made["key"])
    assert shown["hash"] == {"scheme": "hmac-sha256", "pepper": sealed.pepper}
    human = desk.keys("show", made["id"])
    for word in (
        "bob",
        "agent",
        "ops@x",
        "env=prod",
        "10.0.0.0/8",
        "pending",
        f"hmac-sha256 with the pepper {sealed.pepper}",
    ):
        assert word in human
    assert sealed.digest not in human + json.dumps(shown)


def test_keys_are_listed_by_who_has_them_and_how_they_are(desk: Desk) -> None:
    made = {
        name: desk.json("create", *words.split())["id"]
        for name, words in {
            "a": "zoe --owner ops --label env=prod --expires 1h",
            "b": "adam --owner ops --label env=test --label tier=1",
            "c": "zoe --not-before 2h",
            "d": "mia",
        }.items()
    }
    desk.keys("revoke", made["d"], "--reason", "left")
    with redis.Redis.from_url(desk.url) as client:
        client.hset(uses_key("shop"), made["b"], 1767225600)

    def listed(*options: str) -> str:
        found = [key["id"] for key in desk.json("list", *options)]
        return "".join(name for one in found for name, key_id in made.items() if key_id == one)

    assert listed() == "abcd"
    assert listed("--user", "zoe") == "ac"
    assert listed("--owner", "ops", "--label", "env=prod") == "a"
    assert listed("--label", "env=test", "--label", "tier=2") == ""
    assert [listed("--state", state) for state in ("active", "pending", "revoked", "expired")] == ["ab", "c", "d", ""]
    assert listed("--sort", "user")[0] == "b"
    assert listed("--sort", "expires")[0] == "a"
    assert listed("--sort", "used")[0] == "b"
    human = desk.keys("list")
    assert "2026-01-01 00:00" in human
    assert "revoked" in human


def test_a_rotated_key_is_shown_once_and_the_old_one_gets_an_end(desk: Desk) -> None:
    made = desk.json("create", "bob", "--role", "agent")
    rotated = desk.json("rotate", made["id"], "--overlap", "7d")
    assert parse(rotated["key"])
    assert (rotated["rotated_from"], rotated["old"]["successor"]) == (made["id"], rotated["id"])
    assert rotated["old"]["state"] == "active"
    ended = desk.keys("rotate", rotated["id"], "--overlap", "0")
    assert ended.startswith("shop1_")
    assert f"replaces {rotated['id']}" in desk.errors
    assert desk.json("show", rotated["id"])["state"] == "expired"
    desk.keys("rotate", rotated["id"], code=1)
    desk.keys("rotate", "nobody", code=1)
    desk.keys("rotate", made["id"], "--overlap", "soon", code=64)


@pytest.mark.parametrize(
    ("when", "state"), [("now", "expired"), ("never", "active"), ("1h", "active"), ("2026-01-01T00:00:00Z", "expired")]
)
def test_an_expiry_is_a_duration_a_time_now_or_never(desk: Desk, when: str, state: str) -> None:
    made = desk.json("create", "bob", "--expires", "90d")
    assert desk.json("expire", made["id"], when)["state"] == state
    for bad in ("soon", "2026-01-01T00:00:00", "0s", ""):
        desk.keys("expire", made["id"], bad, code=64)


def test_an_export_and_an_import_say_what_they_did(desk: Desk) -> None:
    made = [desk.json("create", user) for user in ("alice", "bob")]
    text = desk.keys("export")
    assert [json.loads(line)["user"] for line in text.splitlines()] == ["alice", "bob"]
    assert "2 keys are in keys.jsonl" in desk.keys("export", "--to", "keys.jsonl")
    file = Path("keys.jsonl")
    assert (file.read_text(), file.stat().st_mode & 0o777) == (text, 0o600)
    with redis.Redis.from_url(desk.url) as client:
        client.delete(redis_key("shop"))
    assert "2 keys would be created" in desk.keys("import", "keys.jsonl", "--dry-run")
    assert desk.json("list") == []
    assert "2 keys created, 0 replaced, 0 are there already" in desk.keys("import", "keys.jsonl")
    desk.keys("expire", made[0]["id"], "1h")
    again = desk.json("import", "keys.jsonl")
    assert (again["kept"], again["unchanged"]) == ([made[0]["id"]], [made[1]["id"]])
    assert f"stays: {made[0]['id']}" in desk.keys("import", "keys.jsonl")
    assert desk.json("import", "keys.jsonl", "--replace")["replaced"] == [made[0]["id"]]
    file.write_text(f"{text}{{}}\n")
    desk.keys("import", "keys.jsonl", code=65)
    assert "keys.jsonl:3:1: error[GC0403]" in desk.errors
    desk.keys("import", "nowhere.jsonl", code=65)
    desk.keys("export", "--to", "nowhere/keys.jsonl", code=1)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"GATECTL_PEPPER": "short"}, "GATECTL_PEPPER must hold one pepper a line"),
        ({"GATECTL_PEPPER_FILE": "nowhere"}, "GATECTL_PEPPER_FILE names a file that cannot be read"),
        ({"GATECTL_PEPPER_FILE": "empty"}, "GATECTL_PEPPER_FILE names a file without a pepper"),
        ({"GATECTL_PEPPER_FILE": "binary"}, "GATECTL_PEPPER_FILE must be ASCII text"),
    ],
)
def test_a_pepper_that_is_none_is_told_before_a_key_is_made(
    desk: Desk, environment: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("empty").touch()
    Path("binary").write_bytes(b"\xff" * 40)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    desk.keys("create", "bob", code=64)
    assert sentence in desk.errors
    monkeypatch.undo()


def test_the_newest_pepper_of_the_file_makes_new_hashes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = "n" * 32
    Path("peppers").write_text(f"{newest}\n{'o' * 32}\n")
    monkeypatch.setenv("GATECTL_PEPPER_FILE", "peppers")
    made = desk.json("create", "bob")
    assert made["hash"]["pepper"] == Peppers([newest]).seal(made["key"]).pepper
