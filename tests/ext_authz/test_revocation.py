"""A revocation reaches every replica within a second, under traffic, with nothing but Redis between them."""

import asyncio
import time

from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.identity import Identity
from ext_authz.keyset import KeySet, connect
from gatectl.runtime import api_keys
from gatectl.runtime.api_keys import properties
from gatectl.runtime.keyring import Keyring
from tests.ext_authz.conftest import Valkey
from tests.ext_authz.worlds import POLICY, eventually, outcome

KEYS = 10


async def test_a_revoked_key_under_constant_traffic_is_refused_by_both_replicas_within_a_second(valkey: Valkey) -> None:
    ring = Keyring(valkey.url, "support")
    made = [api_keys.create(ring, properties(user=f"user-{n}")) for n in range(KEYS)]
    clients = [connect(valkey.url) for _ in range(2)]
    replicas = [ApiKeyAuthenticator(KeySet(client)) for client in clients]
    revoked_at: dict[str, float] = {}
    accepted: dict[tuple[int, str], float] = {}
    refused: dict[tuple[int, str], float] = {}
    running = True

    async def traffic(number: int, key: str, key_id: str) -> None:
        while running:
            sent = time.monotonic()
            good = isinstance(await outcome(replicas[number], POLICY, key, time.time()), Identity)
            (accepted if good else refused)[number, key_id] = sent
            await asyncio.sleep(0.002)

    tasks = [asyncio.create_task(traffic(number, key, record.id)) for number in range(2) for key, record in made]
    try:
        await eventually(lambda: len(accepted) == 2 * KEYS)
        for _, record in made:
            await asyncio.to_thread(api_keys.revoke, ring, record.id)
            revoked_at[record.id] = time.monotonic()
            await asyncio.sleep(0.07)  # so that each meets the half second at another moment
        await eventually(lambda: len(refused) == 2 * KEYS)
    finally:
        running = False
        await asyncio.gather(*tasks)
        for client in clients:
            await client.aclose(close_connection_pool=True)
    assert max(sent - revoked_at[key_id] for (_, key_id), sent in accepted.items()) < 1
    assert all(accepted[one] < refused[one] for one in refused)
