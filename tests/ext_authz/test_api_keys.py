import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from ext_authz import api_key, keyset, policy
from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.identity import Identity, Refusal
from ext_authz.keyset import KeySet, connect
from tests.ext_authz.conftest import WHEN, Keys, Valkey
from tests.ext_authz.worlds import AGENT_KEY, FOREIGN_KEY, POLICY


async def test_a_stored_key_makes_its_user_known(keys: Keys) -> None:
    key = await keys.create(plan="gold", roles=["agent", "admin"], attributes={"region": "eu"})
    parsed = api_key.parse(key)
    assert parsed
    expected = Identity("bob", ("agent", "admin"), "gold", {"region": "eu"}, "api_key", parsed.id)
    assert await keys.judge(key) == expected
    assert await keys.judge(key) == expected  # now out of memory


async def test_a_record_with_a_bare_sha256_was_written_before_and_goes_on(keys: Keys) -> None:
    key, parsed = api_key.mint()
    record = {"id": parsed.id, "sha256": parsed.sha256, "user": "bob", "created_at": "2026-01-01T00:00:00Z"}
    await keys.store_raw(parsed.id, json.dumps(record))
    assert await keys.reason(key) == "accepted"
    rewritten = api_key.KeyRecord.model_validate_json(json.dumps(record)).model_dump_json()
    assert api_key.KeyRecord.model_validate_json(rewritten).hash.digest == parsed.sha256
    await keys.store_raw(parsed.id, json.dumps(record | {"sha256": "x"}))
    keys.obey()
    assert await keys.reason(key) == "key-invalid"


async def test_keys_that_were_never_given_out_are_all_the_same_invalid_key(keys: Keys) -> None:
    key, other = await keys.create(), await keys.create()
    stranger, _ = api_key.mint()
    parsed, parsed_other = api_key.parse(key), api_key.parse(other)
    assert parsed
    assert parsed_other
    forged, _ = api_key.mint()
    wrong_secret = await keys.create()
    await keys.store(api_key.ParsedKey((api_key.parse(wrong_secret) or parsed).id, parsed_other.sha256))
    for bad in (stranger, forged, wrong_secret, parsed.sha256, parsed.id, key.upper(), key[:-1], key + "\n", "", "é"):
        judged = await keys.judge(bad)
        assert isinstance(judged, Refusal)
        assert (judged.reason.code, judged.identity) == ("key-invalid", None), bad


async def test_a_key_longer_than_512_characters_is_not_even_hashed(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key, "digest", lambda _: pytest.fail("hashed"))
    assert await keys.reason("x" * 513) == "key-invalid"


async def test_expired_and_revoked_keys_are_refused_and_their_holder_is_named(keys: Keys) -> None:
    expired = await keys.create(expires_at=WHEN + timedelta(days=1))
    revoked = await keys.create(revoked_at=WHEN)
    ahead = await keys.create(revoked_at=datetime.now(UTC) + timedelta(hours=1))
    for key, reason in ((expired, "key-expired"), (revoked, "key-revoked"), (ahead, "key-revoked")):
        judged = await keys.judge(key)
        assert isinstance(judged, Refusal)
        assert judged.reason.code == reason
        assert judged.identity
        assert judged.identity.user == "bob"


async def test_a_key_expires_on_the_second(keys: Keys) -> None:
    end = WHEN + timedelta(days=1)
    key = await keys.create(expires_at=end)
    assert await keys.reason(key, now=end.timestamp() - 0.001) == "accepted"
    assert await keys.reason(key, now=end.timestamp()) == "key-expired"


async def test_a_key_begins_to_work_on_the_second(keys: Keys) -> None:
    key = await keys.create(not_before=WHEN)
    assert await keys.reason(key, now=WHEN.timestamp() - 0.001) == "key-not-yet-valid"
    assert await keys.reason(key, now=WHEN.timestamp()) == "accepted"


@pytest.mark.parametrize(
    ("networks", "address", "reason"),
    [
        ((), "unknown", "accepted"),
        (("192.0.2.0/24",), "192.0.2.255", "accepted"),
        (("192.0.2.0/24",), "192.0.3.0", "key-address"),
        (("192.0.2.7",), "192.0.2.7", "accepted"),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8:ffff::1", "accepted"),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db9::1", "key-address"),
        (("192.0.2.0/24",), "::ffff:192.0.2.1", "accepted"),
        (("192.0.2.0/24",), "::192.0.2.1", "key-address"),
        (("0.0.0.0/0",), "::1", "key-address"),
        (("0.0.0.0/0", "::/0"), "unknown", "key-address"),
        (("0.0.0.0/0", "::/0"), "", "key-address"),
    ],
)
async def test_a_key_works_from_its_networks_only(
    keys: Keys, networks: tuple[str, ...], address: str, reason: str
) -> None:
    assert await keys.reason(await keys.create(networks=networks), address=address) == reason


async def test_what_is_wrong_with_a_proved_key_is_told_in_this_order_and_never_for_a_wrong_secret(keys: Keys) -> None:
    bad = {"networks": ["192.0.2.0/32"], "expires_at": WHEN, "not_before": WHEN + timedelta(days=1)}
    wrong = {"revoked_at": WHEN, **bad}
    now = (WHEN + timedelta(hours=1)).timestamp()
    told = [await keys.reason(await keys.create(**wrong), now=now)]
    for gone in ("revoked_at", "not_before", "expires_at", "networks"):
        del wrong[gone]
        told.append(await keys.reason(await keys.create(**wrong), now=now))
    assert told == ["key-revoked", "key-not-yet-valid", "key-expired", "key-address", "accepted"]
    other = api_key.parse(await keys.create())
    key, parsed = api_key.mint()
    assert other
    await keys.store(api_key.ParsedKey(parsed.id, other.sha256), revoked_at=WHEN, **bad)
    assert await keys.reason(key) == "key-invalid"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "null",
        "{}",
        "not json",
        '{"id": 1}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"a,b","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"a\\nb","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"-","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"bob","roles":[""],"created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"bob","roles":["a,b"],"created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"md5","digest":"%s"},"user":"bob","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"hmac-sha256","digest":"%s"},"user":"bob","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"bob","created_at":0,"networks":["10.0.0.1/8"]}',
        '{"id":"%s","hash":{"scheme":"sha256","digest":"%s"},"user":"bob","created_at":"2026-01-01T00:00:00"}',
        '{"id":"other-%s","hash":{"scheme":"sha256","digest":"%s"},"user":"bob","created_at":"2026-01-01T00:00:00Z"}',
    ],
)
async def test_a_record_that_cannot_be_used_opens_nothing(keys: Keys, document: str) -> None:
    key, parsed = api_key.mint()
    await keys.store_raw(parsed.id, document % parsed if "%s" in document else document)
    assert await keys.reason(key) == "key-invalid"


async def test_a_key_under_constant_use_stops_working_within_a_second_of_its_revocation(keys: Keys) -> None:
    key = await keys.create()
    parsed = api_key.parse(key)
    assert parsed
    assert await keys.reason(key) == "accepted"
    await keys.store(parsed, revoked_at=datetime.now(UTC))
    revoked_at = time.monotonic()
    while await keys.reason(key) == "accepted":
        assert time.monotonic() - revoked_at < 1
        await asyncio.sleep(0.005)
    assert await keys.reason(key) == "key-revoked"


async def test_a_deleted_key_stops_working_and_does_not_come_back_when_redis_dies(keys: Keys, valkey: Valkey) -> None:
    key = await keys.create()
    assert await keys.reason(key) == "accepted"
    await keys.delete(key)
    await asyncio.sleep(keyset.FRESH_SECONDS)
    assert await keys.reason(key) == "key-invalid"
    valkey.kill()
    await asyncio.sleep(keyset.FRESH_SECONDS)
    assert await keys.reason(key) == "key-store-unavailable"


async def test_a_key_created_after_it_was_first_tried_works_within_a_second(keys: Keys) -> None:
    key, parsed = api_key.mint()
    assert await keys.reason(key) == "key-invalid"
    await keys.store(parsed)
    created_at = time.monotonic()
    while await keys.reason(key) != "accepted":
        assert time.monotonic() - created_at < 1
        await asyncio.sleep(0.005)


async def test_many_concurrent_uses_of_one_key_ask_redis_once(keys: Keys) -> None:
    key = await keys.create()
    await keys.judge(key)
    before = (await keys.operator.info("commandstats"))["cmdstat_hmget"]["calls"]
    await asyncio.sleep(keyset.FRESH_SECONDS)
    assert all(isinstance(judged, Identity) for judged in await asyncio.gather(*(keys.judge(key) for _ in range(100))))
    assert (await keys.operator.info("commandstats"))["cmdstat_hmget"]["calls"] == before + 1


async def test_a_thousand_unknown_keys_at_once_are_asked_for_in_a_few_questions(keys: Keys) -> None:
    strangers = [await keys.create() for _ in range(1000)]
    first = await keys.create()
    await keys.operator.config_resetstat()
    judged = await asyncio.gather(*(keys.judge(key) for key in [first, *strangers]))
    assert all(isinstance(one, Identity) for one in judged)
    assert (await keys.operator.info("commandstats"))["cmdstat_hmget"]["calls"] <= 2


async def test_a_caller_that_hangs_up_does_not_fail_the_others_who_wait_for_the_same_key(keys: Keys) -> None:
    key = await keys.create()
    first, second = asyncio.create_task(keys.judge(key)), asyncio.create_task(keys.judge(key))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, Identity)


async def test_while_redis_is_away_known_keys_work_unknown_ones_cannot_be_decided_and_it_recovers(
    keys: Keys, valkey: Valkey
) -> None:
    known, unknown = await keys.create(), await keys.create()
    revoked = await keys.create(revoked_at=WHEN)
    assert [await keys.reason(known), await keys.reason(revoked)] == ["accepted", "key-revoked"]

    valkey.kill()
    await asyncio.sleep(keyset.FRESH_SECONDS)
    assert await keys.reason(known) == "accepted"
    assert await keys.reason(revoked) == "key-revoked"
    assert await keys.reason(unknown) == "key-store-unavailable"
    assert await keys.reason(AGENT_KEY) == "accepted"
    assert await keys.reason(FOREIGN_KEY) == "accepted"
    assert await keys.reason("nonsense") == "key-invalid"

    valkey.start()
    await keys.store(api_key.parse(unknown) or pytest.fail("own format"))
    restarted_at = time.monotonic()
    while await keys.reason(unknown) != "accepted":
        assert time.monotonic() - restarted_at < 2
        await asyncio.sleep(0.01)
    await asyncio.sleep(keyset.FRESH_SECONDS)
    assert await keys.reason(known) == "key-invalid"  # the new Redis does not have it, and it is asked again


async def test_a_known_key_does_not_outlive_stale_seconds(keys: Keys, valkey: Valkey) -> None:
    api_keys = policy.ApiKeys(header="x-api-key", stale_seconds=0)
    key = await keys.create()
    assert await keys.reason(key) == "accepted"
    valkey.kill()
    await asyncio.sleep(keyset.FRESH_SECONDS)
    strict = POLICY.model_copy(update={"api_keys": api_keys})
    assert await keys.reason(key, strict) == "key-store-unavailable"


async def test_a_frozen_redis_costs_one_deadline_and_then_nothing(keys: Keys, valkey: Valkey) -> None:
    key = await keys.create()
    assert await keys.reason(key) == "accepted"
    await asyncio.sleep(keyset.FRESH_SECONDS)
    valkey.freeze()
    try:
        started = time.monotonic()
        assert await keys.reason(key) == "accepted"
        assert time.monotonic() - started < keyset.DEADLINE_SECONDS + 0.1
        started = time.monotonic()
        assert await keys.reason(api_key.mint()[0]) == "key-store-unavailable"
        assert time.monotonic() - started < keyset.DEADLINE_SECONDS / 4
    finally:
        valkey.thaw()
    thawed_at = time.monotonic()
    while await keys.reason(api_key.mint()[0]) != "key-invalid":
        assert time.monotonic() - thawed_at < 2
        await asyncio.sleep(0.01)


async def test_guessing_ids_does_not_push_known_keys_out_of_memory(
    keys: Keys, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "ABSENT_CAPACITY", 10)
    keys.authenticator = ApiKeyAuthenticator(KeySet(connect(valkey.url)))
    key = await keys.create()
    assert await keys.reason(key) == "accepted"
    for _ in range(50):
        assert await keys.reason(api_key.mint()[0]) == "key-invalid"
    valkey.kill()
    await asyncio.sleep(keyset.FRESH_SECONDS)
    assert await keys.reason(key) == "accepted"


async def test_the_same_key_in_two_gateways_is_two_keys(keys: Keys) -> None:
    key = await keys.create()
    assert await keys.reason(key) == "accepted"
    assert await keys.reason(key, POLICY.model_copy(update={"gateway": "other"})) == "key-invalid"
