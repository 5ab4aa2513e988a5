import contextlib
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from ext_authz import api_key
from ext_authz.api_key import Peppers
from gatectl.diagnostics import GatectlError
from gatectl.runtime import api_keys, redis_connection, redis_server, state_dir
from gatectl.runtime.api_keys import ListedKey, properties
from gatectl.runtime.keyring import Keyring


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


def ring(url: str, name: str, *peppers: str) -> Keyring:
    return Keyring(url, name, peppers=Peppers(peppers))


NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
WANTED = {
    "user": "alice",
    "roles": ["agent"],
    "plan": "pro",
    "attributes": {"tenant": "acme"},
    "owner": "ops@example.com",
    "name": "nightly batch",
    "labels": {"env": "prod"},
    "networks": ["10.0.0.0/8"],
}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"user": "a,b"}, "user: a name is up to 256"),
        ({"roles": [""]}, "role: a name is up to 256"),
        ({"plan": "-"}, "plan: a name is up to 256"),
        ({"owner": " x"}, "owner: 1 to 256 printable"),
        ({"name": "a\x1b[2J"}, "name: 1 to 256 printable"),
        ({"labels": {"Env": "prod"}}, "label: "),
        ({"labels": {"env": ""}}, "label: 1 to 256 printable"),
        ({"networks": ["10.0.0.1/8"]}, "network: a network is an address and a length"),
        ({"networks": ["here"]}, "network: a network is an address and a length"),
        (
            {"not_before": datetime(2027, 1, 1, tzinfo=UTC), "expires_at": datetime(2026, 1, 1, tzinfo=UTC)},
            "expire before",
        ),
    ],
)
def test_what_ext_authz_would_not_accept_is_told_before_a_key_is_made(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GatectlError, match=sentence) as caught:
        properties(**{**WANTED, **fields})
    assert caught.value.exit_code == 64


def test_a_rotated_key_has_a_successor_with_the_same_properties_and_ends_after_the_overlap(url: str) -> None:
    gateway, expires_at = ring(url, "rotate", "p" * 32), datetime.now(UTC) + timedelta(days=30)
    _, old = api_keys.create(gateway, properties(**WANTED, expires_at=expires_at))
    before = datetime.now(UTC)
    rotated = api_keys.rotate(gateway, old.id, timedelta(hours=24))
    assert timedelta(0) <= (rotated.old.expires_at or before) - before - timedelta(hours=24) < timedelta(minutes=1)
    assert (rotated.old.successor, rotated.successor.rotated_from) == (rotated.successor.id, old.id)
    assert gateway.peppers.proves(rotated.key, "", rotated.successor.hash)
    kept = {"user", "roles", "plan", "attributes", "owner", "name", "labels", "networks", "not_before"}
    assert rotated.successor.model_dump(include=kept) == old.model_dump(include=kept)
    lifetime = (rotated.successor.expires_at or before) - rotated.successor.created_at
    assert abs(lifetime - timedelta(days=30)) < timedelta(minutes=1)
    assert [found.record for found in api_keys.list_keys(gateway)] == [rotated.old, rotated.successor]
    with pytest.raises(GatectlError, match=f"its successor is {rotated.successor.id}"):
        api_keys.rotate(gateway, old.id, timedelta(hours=24))


def test_a_rotation_never_makes_a_key_work_sooner(url: str) -> None:
    gateway, later = ring(url, "sooner"), datetime.now(UTC) + timedelta(days=7)
    _, pending = api_keys.create(gateway, properties(user="a", not_before=later))
    successor = api_keys.rotate(gateway, pending.id, timedelta(hours=24)).successor
    assert api_keys.state(successor, datetime.now(UTC)) == "pending"
    assert successor.not_before == later


def test_a_rotation_never_makes_a_key_live_longer_nor_brings_one_back(url: str) -> None:
    gateway, soon = ring(url, "longer"), datetime.now(UTC) + timedelta(minutes=5)
    _, short = api_keys.create(gateway, properties(user="a", expires_at=soon))
    assert api_keys.rotate(gateway, short.id, timedelta(hours=24)).old.expires_at == soon
    _, revoked = api_keys.create(gateway, properties(user="b"))
    api_keys.revoke(gateway, revoked.id)
    _, expired = api_keys.create(gateway, properties(user="c", expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    for record, state in ((revoked, "revoked"), (expired, "expired")):
        with pytest.raises(GatectlError, match=f"is {state}"):
            api_keys.rotate(gateway, record.id, timedelta(0))


def test_an_expiry_moves_both_ways_but_not_for_a_revoked_key(url: str) -> None:
    gateway, now = ring(url, "expire"), datetime.now(UTC)
    _, record = api_keys.create(gateway, properties(user="a"))
    for at, state in ((now, "expired"), (now + timedelta(days=1), "active"), (None, "active")):
        changed = api_keys.expire(gateway, record.id, at)
        assert (changed.expires_at, api_keys.state(changed, datetime.now(UTC))) == (at, state)
    api_keys.revoke(gateway, record.id, "leaked")
    with pytest.raises(GatectlError, match="stays so"):
        api_keys.expire(gateway, record.id, None)
    found = api_keys.find(gateway, record.id).record
    assert (found.revoked_reason, api_keys.state(found, now)) == ("leaked", "revoked")
    for bad in ("", "x" * 257, "a\nb"):
        _, other = api_keys.create(gateway, properties(user="a"))
        with pytest.raises(GatectlError, match="1 to 256 printable"):
            api_keys.revoke(gateway, other.id, bad)


def test_a_revocation_is_not_lost_among_changes_at_the_same_time(url: str) -> None:
    gateway = ring(url, "race")
    _, record = api_keys.create(gateway, properties(user="a"))
    go = threading.Barrier(5)

    def move(hours: int) -> None:
        go.wait()
        for minutes in range(20):
            with contextlib.suppress(GatectlError):  # revoked by now
                api_keys.expire(gateway, record.id, datetime.now(UTC) + timedelta(hours=hours, minutes=minutes))

    threads = [threading.Thread(target=move, args=(hours,)) for hours in range(1, 5)]
    for thread in threads:
        thread.start()
    go.wait()
    api_keys.revoke(gateway, record.id)
    for thread in threads:
        thread.join()
    assert api_keys.find(gateway, record.id).record.revoked_at is not None


def test_when_a_key_was_last_used_is_listed_and_nonsense_there_is_not(url: str) -> None:
    gateway = ring(url, "used")
    records = [api_keys.create(gateway, properties(user=user))[1] for user in "abc"]
    with redis.Redis.from_url(url) as client:
        client.hset(api_key.uses_key("used"), records[0].id, "1767225600")
        client.hset(api_key.uses_key("used"), records[1].id, "soon")
    used = [found.last_used_at for found in api_keys.list_keys(gateway)]
    assert used == [datetime(2026, 1, 1, tzinfo=UTC), None, None]
    assert api_keys.find(gateway, records[0].id).last_used_at == used[0]
