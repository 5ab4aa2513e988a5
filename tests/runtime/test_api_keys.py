import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from ext_authz import api_key
from gatectl.diagnostics import GatectlError
from gatectl.runtime import api_keys, redis_connection, redis_server, state_dir
from gatectl.runtime.api_keys import ListedKey, properties
from gatectl.runtime.keyring import Keyring
from gatectl.runtime.ports import free_ports
from gatectl.runtime.processes import Child
from tests.runtime.worlds import until


def answers(url: str) -> bool:
    try:
        redis_connection.check(url)
    except GatectlError:
        return False
    return True


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's own Redis, in a directory whose name needs quotes."""
    directory = state_dir.prepare(tmp_path_factory.mktemp('a "quoted" name'))
    [port] = free_ports(1)
    url = redis_server.new_url(port)
    server = Child(redis_server.program(directory, url))
    try:
        server.start()
        assert until(lambda: answers(url)), server.tail()
        yield url
    finally:
        server.stop()
    assert any((directory / "redis").rglob("*.aof"))


def test_a_key_is_shown_once_and_kept_as_a_hash(url: str) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    key, record = api_keys.create(
        Keyring(url, "one"),
        properties(user="alice", roles=("agent",), plan="pro", attributes={"tenant": "acme"}, expires_at=expires_at),
    )
    assert api_key.parse(key) == (record.id, record.hash.digest)
    assert api_keys.list_keys(Keyring(url, "one")) == [ListedKey(record)]
    assert (record.user, record.roles, record.plan, record.attributes) == (
        "alice",
        ("agent",),
        "pro",
        {"tenant": "acme"},
    )
    with redis.Redis.from_url(url) as client:
        assert key.encode() not in client.hget(api_key.redis_key("one"), record.id)


def test_an_existing_record_is_never_overwritten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key, record = api_keys.create(Keyring(url, "two"), properties(user="alice"))
    mints = iter([(key, api_key.parse(key)), api_key.mint()])
    monkeypatch.setattr(api_keys, "mint", lambda _: next(mints))
    _, second = api_keys.create(Keyring(url, "two"), properties(user="bob", roles=("admin",)))
    assert second.id != record.id
    assert {found.record.id: found.record.user for found in api_keys.list_keys(Keyring(url, "two"))} == {
        record.id: "alice",
        second.id: "bob",
    }


def test_a_revoked_key_stays_listed_and_is_revoked_once(url: str) -> None:
    _, record = api_keys.create(Keyring(url, "three"), properties(user="alice"))
    revoked = api_keys.revoke(Keyring(url, "three"), record.id)
    assert revoked.revoked_at is not None
    assert api_keys.revoke(Keyring(url, "three"), record.id) == revoked
    assert api_keys.list_keys(Keyring(url, "three")) == [ListedKey(revoked)]


@pytest.mark.parametrize("gateway", ["nobody", "five"])
def test_a_key_that_is_not_there_cannot_be_revoked(url: str, gateway: str) -> None:
    api_keys.create(Keyring(url, "five"), properties(user="alice"))
    with pytest.raises(GatectlError, match='has no API key "aaaaaaaaaaaa"') as caught:
        api_keys.revoke(Keyring(url, gateway), "aaaaaaaaaaaa")
    assert caught.value.exit_code == 1


def test_a_record_that_cannot_be_read_hides_no_other(url: str) -> None:
    _, record = api_keys.create(Keyring(url, "six"), properties(user="alice"))
    with redis.Redis.from_url(url) as client:
        client.hset(api_key.redis_key("six"), "broken", "{")
    assert api_keys.list_keys(Keyring(url, "six")) == [ListedKey(record)]
    with pytest.raises(GatectlError, match="has no API key"):
        api_keys.revoke(Keyring(url, "six"), "broken")


def test_a_forgotten_key_is_gone(url: str) -> None:
    _, record = api_keys.create(Keyring(url, "seven"), properties(user="alice"))
    api_keys.forget(Keyring(url, "seven"), [record.id])
    assert api_keys.list_keys(Keyring(url, "seven")) == []


@pytest.mark.parametrize(
    ("bad", "exit_code"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", 5),
        ("unix://:hunter2@/nowhere/s", 5),
        ("redis://:hunter2@127.0.0.1:port/0", 64),
        ("http://:hunter2@127.0.0.1:1", 64),
        ("hunter2", 64),
    ],
)
def test_what_is_wrong_with_redis_is_told_without_its_password(bad: str, exit_code: int) -> None:
    with pytest.raises(GatectlError) as caught:
        api_keys.list_keys(Keyring(bad, "x"))
    assert caught.value.exit_code == exit_code
    assert "hunter2" not in str(caught.value)


def test_a_wrong_password_is_told(url: str) -> None:
    wrong = url.replace("redis://:", "redis://:wrong")
    with pytest.raises(GatectlError, match="refuses the password") as caught:
        redis_connection.check(wrong)
    assert caught.value.exit_code == 5
    assert "wrong" not in str(caught.value)


def test_keys_made_at_the_same_time_are_all_there(url: str) -> None:
    threads = [
        threading.Thread(target=api_keys.create, args=(Keyring(url, "eight"), properties(user=f"user-{n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.record.user for found in api_keys.list_keys(Keyring(url, "eight"))} == {f"user-{n}" for n in range(8)}


def test_the_server_s_password_is_in_its_configuration_only(tmp_path: Path) -> None:
    url = redis_server.new_url(1234)
    program = redis_server.program(state_dir.prepare(tmp_path), url)
    password = url.partition("redis://:")[2].partition("@")[0]
    assert password.encode() in program.stdin
    assert password not in repr(program)
    assert url != redis_server.new_url(1234)
