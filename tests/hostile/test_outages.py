"""Access while something is away: never an open door, and an answer before anybody gives up waiting.

What a whole gateway does, that it heals and what becomes of limits: tests/e2e/test_resilience.py.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import RedisError

from ext_authz import api_key
from tests.ext_authz.worlds import bearer
from tests.hostile.cases import ADMIN, AGENT, ask
from tests.hostile.fort import Fort, until
from tests.hostile.test_attacks import caller_of
from tests.hostile.wire import Answer, read

pytestmark = pytest.mark.e2e

DEADLINE_SECONDS = 2.0
"""Envoy waits a second for ext_authz; the rest is for a busy machine."""
REQUESTS = {
    "public": ask("/open"),
    "public with a key": ask("/open", AGENT),
    "static key": ask("/known", AGENT),
    "token": ask("/known", f"authorization: {bearer()}"),
    "known key": ask("/admin", ADMIN),
    "nobody": ask("/admin"),
    "not granted": ask("/admin", AGENT),
}
ALWAYS = {"public": 200, "public with a key": 200, "static key": 200, "token": 200, "nobody": 401, "not granted": 403}
"""What needs no Redis."""


def answer_to(fort: Fort, sent: bytes) -> Answer:
    started = time.monotonic()
    with fort.connect() as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as stream:
            answer = read(stream)
    assert answer is not None
    assert time.monotonic() - started < DEADLINE_SECONDS
    return answer


def statuses(fort: Fort) -> dict[str, int]:
    with ThreadPoolExecutor(len(REQUESTS)) as pool:
        answers = pool.map(lambda sent: answer_to(fort, sent), REQUESTS.values())
        return {name: answer.status for name, answer in zip(REQUESTS, answers, strict=True)}


def unknown_key() -> bytes:
    return ask("/open", f"x-api-key: {api_key.mint()[0]}")


@pytest.fixture(autouse=True)
def _well(fort: Fort) -> None:
    """Everything works before each test, and the key in Redis has been seen."""
    until(lambda: answer_to(fort, unknown_key()).status == 401, "Redis is asked")
    until(lambda: answer_to(fort, REQUESTS["known key"]).status == 200, "the gateway is well")
    fort.upstream.take()


@contextlib.contextmanager
def killed(fort: Fort, name: str) -> Iterator[None]:
    fort.kill(name)
    try:
        yield
    finally:
        fort.restart(name)


@pytest.mark.parametrize("how", [Fort.frozen, killed])
def test_without_ext_authz_nobody_gets_in_not_even_to_public_routes(
    fort: Fort, how: Callable[[Fort, str], contextlib.AbstractContextManager[None]]
) -> None:
    with how(fort, "ext_authz"):
        assert statuses(fort) == dict.fromkeys(REQUESTS, 503)
        assert fort.upstream.take() == []


@contextlib.contextmanager
def loading(fort: Fort, _: str) -> Iterator[None]:
    """A replica that has lost its master and says so to every command."""
    with contextlib.closing(fort.redis()) as client:
        client.config_set("replica-serve-stale-data", "no")
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            yield
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def of_another_type(fort: Fort, _: str) -> Iterator[None]:
    """Where the keys should be is something else."""
    name = api_key.redis_key("fort")
    with contextlib.closing(fort.redis()) as client:
        client.rename(name, "kept")
        client.set(name, "x")
        try:
            yield
        finally:
            client.rename("kept", name)


@pytest.mark.parametrize("how", [Fort.frozen, loading, of_another_type])
def test_without_redis_what_is_known_works_and_what_is_not_is_undecided(
    fort: Fort, how: Callable[[Fort, str], contextlib.AbstractContextManager[None]]
) -> None:
    with how(fort, "redis"):
        until(lambda: answer_to(fort, unknown_key()).status == 503, "the outage is noticed")
        assert statuses(fort) == ALWAYS | {"known key": 200}
        told = answer_to(fort, unknown_key())
        assert told.problem()["type"] == "urn:gatectl:error:key-store-unavailable"
        assert "www-authenticate" not in told.headers
    assert {caller_of(seen).user for seen in fort.upstream.take()} == {None, "alice", "root"}


@pytest.mark.parametrize("setting", [("maxmemory", "1"), ("min-replicas-to-write", "1")], ids=["OOM", "read-only"])
def test_a_redis_that_takes_no_writes_still_tells_keys_apart(fort: Fort, setting: tuple[str, str]) -> None:
    name, value = setting
    with contextlib.closing(fort.redis()) as client:
        client.config_set(name, value)
        try:
            with pytest.raises(RedisError):
                client.set("x", "y")
            assert statuses(fort) == ALWAYS | {"known key": 200}
            assert answer_to(fort, unknown_key()).status == 401
        finally:
            client.config_set(name, "0")


def test_a_redis_that_comes_back_empty_knows_nobody(fort: Fort) -> None:
    name = api_key.redis_key("fort")
    with contextlib.closing(fort.redis()) as client:
        client.rename(name, "kept")
        try:
            until(lambda: answer_to(fort, REQUESTS["known key"]).status == 401, "the key is gone")
            assert statuses(fort) == ALWAYS | {"known key": 401}
        finally:
            client.rename("kept", name)
