"""Access while something is away: never an open door, and an answer before anybody gives up waiting.

What a whole gateway does, that it heals and what becomes of limits: tests/e2e/test_resilience.py.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import RedisError

from ext_authz import api_key
from tests.ext_authz.worlds import NOW, bearer
from tests.hostile.cases import ADMIN, AGENT, ask
from tests.hostile.fort import Fort, until
from tests.hostile.records import STORED
from tests.hostile.test_attacks import caller_of, identity_of
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


def test_a_slow_ext_authz_decides_as_ever(fort: Fort) -> None:
    with ThreadPoolExecutor(1) as pool:
        with fort.frozen("ext_authz"):
            waiting = pool.submit(statuses, fort)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            assert fort.upstream.take() == []
        assert waiting.result() == ALWAYS | {"known key": 200}


NOT_YET, EXPIRED = "token-not-yet-valid", "token-expired"


@pytest.mark.parametrize(
    ("seconds", "token", "key"),
    [(3600, EXPIRED, "key-expired"), (-3600, NOT_YET, "key-not-yet-valid"), (10**9, EXPIRED, "key-expired")],
)
def test_a_clock_that_jumps_lets_nobody_in_whose_time_it_is_not(fort: Fort, seconds: int, token: str, key: str) -> None:
    timed = ask("/admin", f"x-api-key: {STORED['for an hour'][0]}")
    assert answer_to(fort, timed).status == 200
    with fort.clock(seconds):
        assert statuses(fort) == ALWAYS | {"known key": 200, "token": 401}
        refusals = [answer_to(fort, sent).problem()["type"] for sent in (REQUESTS["token"], timed)]
        assert refusals == [f"urn:gatectl:error:{token}", f"urn:gatectl:error:{key}"]
        assert answer_to(fort, ask("/known", AGENT)).status == 200
        issued_at = identity_of(fort.upstream.take()[-1])["iat"]
        assert issued_at == NOW + seconds  # an upstream whose own clock is right refuses it
    assert answer_to(fort, timed).status == 200


def test_a_clock_that_jumps_ends_no_block(fort: Fort) -> None:
    guess = ask("/open", "x-api-key: bad")
    with fort.connect("127.0.3.1") as connection, connection.makefile("rb") as stream:
        for _ in range(20):
            connection.sendall(guess)
            assert read(stream) is not None
        for seconds in (3600, -3600):
            with fort.clock(seconds):
                connection.sendall(guess)
                answer = read(stream)
                assert answer is not None
                assert answer.status == 429


def opened(document: bytes) -> bytes:
    """The same policy with every route public, in a format that is not known."""
    policy = json.loads(document)
    routes = {name: {"public": True} for name in policy["routes"]}
    return json.dumps(policy | {"routes": routes, "format": 3}).encode()


def under_traffic(fort: Fort, document: bytes, told: bytes) -> list[dict[str, int]]:
    """What clients get while ext_authz gets this policy, until it has told in its log what came of it, and then."""
    log, seen = fort.directory / "ext_authz.log", list[dict[str, int]]()
    before = log.read_bytes().count(told)

    def is_told() -> bool:
        seen.append(statuses(fort))
        return log.read_bytes().count(told) > before

    (fort.directory / "current" / "authz.json").write_bytes(document)
    until(is_told, "the policy was looked at")
    return [*seen, statuses(fort)]


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: b"",
        lambda document: document[: len(document) // 2],
        opened,
        lambda document: document.replace(b'"routes"', b'"rules"'),
    ],
    ids=["empty", "cut off", "opened, in a later format", "an unknown field"],
)
def test_a_broken_policy_under_traffic_leaves_the_last_good_one_in_force(
    fort: Fort, broken: Callable[[bytes], bytes]
) -> None:
    good = (fort.directory / "current" / "authz.json").read_bytes()
    try:
        seen = under_traffic(fort, broken(good), b"policy refused")
    finally:
        seen_after = under_traffic(fort, good, b"policy loaded")
    assert all(one == ALWAYS | {"known key": 200} for one in (*seen, *seen_after))
    callers = {caller_of(one).user for one in fort.upstream.take()}
    assert callers == {None, "alice", "root"}


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
