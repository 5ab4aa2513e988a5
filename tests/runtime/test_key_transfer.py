"""Disaster recovery: what was exported brings every key back, and nothing else."""

import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from ext_authz.api_key import Peppers, redis_key
from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.identity import Refusal
from ext_authz.keyset import KeySet
from gatectl.diagnostics import SpecError
from gatectl.runtime import api_keys, key_transfer
from gatectl.runtime.api_keys import properties
from gatectl.runtime.key_transfer import Imported, export_keys, import_keys, read_export
from gatectl.runtime.keyring import Keyring
from tests.ext_authz.worlds import POLICY, outcome

PEPPERS = Peppers(["p" * 32])


@pytest.fixture
def ring(url: str) -> Iterator[Keyring]:
    yield Keyring(url, "support", peppers=PEPPERS)
    wipe(url)


def wipe(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushall()


def records(text: str) -> Any:
    return read_export(io.BytesIO(text.encode()), "keys.jsonl")


async def judged(ring: Keyring, keys: list[str]) -> list[str]:
    client = Redis.from_url(ring.redis_url)
    authenticator = ApiKeyAuthenticator(KeySet(client, PEPPERS))
    outcomes = [await outcome(authenticator, POLICY, key, time.time()) for key in keys]
    await client.aclose(close_connection_pool=True)
    return [one.reason.code if isinstance(one, Refusal) else one.user for one in outcomes]


async def test_after_a_wipe_an_import_brings_every_key_back_and_a_revoked_one_stays_revoked(
    ring: Keyring, tmp_path: Path
) -> None:
    made = [api_keys.create(ring, properties(user=user, roles=["agent"])) for user in ("alice", "bob", "carol")]
    soon = datetime.now(UTC) + timedelta(hours=1)
    made.append(api_keys.create(ring, properties(user="dave", networks=["10.0.0.0/8"], expires_at=soon)))
    api_keys.revoke(ring, made[1][1].id, "leaked")
    rotated = api_keys.rotate(ring, made[2][1].id, timedelta(0))
    keys = [*(key for key, _ in made), rotated.key]
    expected = ["alice", "key-revoked", "key-expired", "key-address", "carol"]
    assert await judged(ring, keys) == expected

    exported, before = export_keys(ring), api_keys.list_keys(ring)
    assert not any(key in exported for key in keys)
    wipe(ring.redis_url)
    assert await judged(ring, keys) == ["key-invalid"] * 5
    done = import_keys(ring, records(exported), replace=False, dry_run=False)
    assert (len(done.created), *done[1:]) == (5, (), (), ())
    assert await judged(ring, keys) == expected
    assert (api_keys.list_keys(ring), export_keys(ring)) == (before, exported)


def test_an_import_is_idempotent_never_overwrites_and_a_dry_run_does_nothing(ring: Keyring) -> None:
    _, first = api_keys.create(ring, properties(user="alice"))
    _, second = api_keys.create(ring, properties(user="bob"))
    exported = records(export_keys(ring))
    api_keys.expire(ring, second.id, datetime.now(UTC))
    api_keys.forget(ring, [first.id])
    there = export_keys(ring)
    told = Imported((first.id,), (), (), (second.id,))
    assert import_keys(ring, exported, replace=False, dry_run=True) == told
    assert export_keys(ring) == there
    assert import_keys(ring, exported, replace=False, dry_run=False) == told
    again = Imported((), (), (first.id,), (second.id,))
    assert import_keys(ring, exported, replace=False, dry_run=False) == again
    replaced = Imported((), (second.id,), (first.id,), ())
    assert import_keys(ring, exported, replace=True, dry_run=False) == replaced
    assert [found.record for found in api_keys.list_keys(ring)] == exported


def test_an_old_export_does_not_take_back_a_revocation(ring: Keyring) -> None:
    _, record = api_keys.create(ring, properties(user="alice"))
    exported = records(export_keys(ring))
    api_keys.revoke(ring, record.id)
    assert import_keys(ring, exported, replace=True, dry_run=False) == Imported((), (), (), (record.id,))
    assert api_keys.find(ring, record.id).record.revoked_at is not None


def test_a_record_that_cannot_be_read_is_replaced_only_when_asked(ring: Keyring) -> None:
    _, record = api_keys.create(ring, properties(user="alice"))
    exported = records(export_keys(ring))
    with redis.Redis.from_url(ring.redis_url) as client:
        client.hset(redis_key("support"), record.id, "{")
    assert import_keys(ring, exported, replace=False, dry_run=False).kept == (record.id,)
    assert import_keys(ring, exported, replace=True, dry_run=False).replaced == (record.id,)
    assert api_keys.find(ring, record.id).record == record


def line(**changes: Any) -> str:
    good = {
        "id": "0123456789ab",
        "hash": {"scheme": "sha256", "digest": "0" * 64},
        "user": "alice",
        "created_at": "2026-01-01T00:00:00Z",
    }
    return json.dumps({name: value for name, value in {**good, **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ("null", "Input should be an object"),
        (line(user="a,b"), "user: a name is up to"),
        (line(user=None), "user: Field required"),
        (line(rolls=["a"]), "rolls: Extra inputs"),
        (line(hash={"scheme": "md5", "digest": "0" * 64}), "hash.scheme: Input should be"),
        (line(hash={"scheme": "hmac-sha256", "digest": "0" * 64}), "hmac-sha256 and a pepper belong together"),
        (line(hash={"scheme": "sha256", "digest": "A" * 64}), "hash.digest: "),
        (line(id="../etc"), "id: "),
        (line(created_at="2026-01-01T00:00:00"), "created_at: "),
        (line(networks=["10.0.0.1/8"]), "networks.0: a network is"),
        (line(id="0123456789aa"), "the id 0123456789aa stands in line 1 already"),
        ("\xff" + "x" * key_transfer.LONGEST_LINE, "64 KiB at most"),
    ],
)
def test_every_line_that_is_no_record_is_told_with_its_number(bad: str, message: str) -> None:
    text = f"{line(id='0123456789aa')}\n\n{bad}\n{line(user='a,b', hash=None)}\n"
    with pytest.raises(SpecError) as caught:
        records(text)
    assert message in caught.value.diagnostics[0].message
    assert str(caught.value.diagnostics[0].location) == "keys.jsonl:3:1"
    lines = [diagnostic.location.line for diagnostic in caught.value.diagnostics if diagnostic.location]
    assert lines[1:] == ([] if "KiB" in message else [4, 4])


def test_a_file_of_something_else_is_given_up_after_a_hundred_mistakes() -> None:
    with pytest.raises(SpecError) as caught:
        records("x\n" * 10_000)
    assert len(caught.value.diagnostics) == key_transfer.MOST_MISTAKES + 1


def test_an_export_is_a_file_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("old")
    path.chmod(0o644)
    key_transfer.write_export(path, "new\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new\n", 0o600)
