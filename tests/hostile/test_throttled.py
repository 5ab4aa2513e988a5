"""Guessing through a real gateway: after so many failures nobody looks at a credential from that address any more.

The tests' own address is exempt, so each attacker calls from another one of this machine.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator

import pytest

from ext_authz import api_key
from tests.ext_authz.worlds import bearer
from tests.hostile.cases import ADMIN, AGENT, ROOT, ask
from tests.hostile.families.credentials import resealed
from tests.hostile.fort import Fort, until
from tests.hostile.records import store, stored
from tests.hostile.test_attacks import caller_of
from tests.hostile.wire import Answer, read

pytestmark = pytest.mark.e2e

REFUSE_AFTER = 20
NUMBERS = itertools.count(2)


@pytest.fixture
def address() -> str:
    """One that nobody has called from."""
    return f"127.0.0.{next(NUMBERS)}"


@pytest.fixture
def key(fort: Fort) -> str:
    """A key of root's that was never used."""
    key, record = stored()
    with contextlib.closing(fort.redis()) as client:
        store(client, key, record)
    return key


def ask_all(fort: Fort, address: str, *requests: bytes) -> Iterator[Answer]:
    """The answers to requests on one connection."""
    with fort.connect(address) as connection, connection.makefile("rb") as stream:
        for sent in requests:
            connection.sendall(sent)
            answer = read(stream)
            assert answer is not None
            yield answer


def statuses(fort: Fort, address: str, *requests: bytes) -> list[int]:
    return [answer.status for answer in ask_all(fort, address, *requests)]


def guesses() -> list[bytes]:
    """Keys that nobody has; on a public route, which takes no bad credential either."""
    return [ask("/open", f"x-api-key: {api_key.mint()[0]}") for _ in range(REFUSE_AFTER)]


def test_after_so_many_guesses_a_good_key_is_not_even_looked_at(fort: Fort, address: str, key: str) -> None:
    assert statuses(fort, address, *guesses()) == [401] * REFUSE_AFTER
    first, *rest = ask_all(
        fort, address, *[ask(path, f"x-api-key: {key}") for path in ("/admin", "/open")], ask("/open"), ask("/known")
    )
    assert (first.status, first.problem()["type"]) == (429, "urn:gatectl:error:too-many-failures")
    assert 0 < int(first.headers["retry-after"]) <= 300
    assert "www-authenticate" not in first.headers
    assert [answer.status for answer in rest] == [429, 200, 401]
    [seen] = fort.upstream.take()
    assert seen.target == "/open"


def test_who_was_let_in_before_goes_on_behind_a_blocked_address(fort: Fort, address: str, key: str) -> None:
    good = ask("/admin", f"x-api-key: {key}")
    assert statuses(fort, address, good, *guesses(), good) == [200, *[401] * REFUSE_AFTER, 200]
    assert [caller_of(seen) for seen in fort.upstream.take()] == [ROOT, ROOT]


@pytest.mark.parametrize(
    "name", ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "x-envoy-external-address"]
)
def test_no_header_moves_the_counter_to_another_address(fort: Fort, address: str, name: str) -> None:
    sent = [ask("/open", "x-api-key: bad", f"{name}: 203.0.113.{number}") for number in range(REFUSE_AFTER + 1)]
    assert statuses(fort, address, *sent) == [*[401] * REFUSE_AFTER, 429]
    assert statuses(fort, "127.0.0.1", ask("/open", "x-api-key: bad", f"x-forwarded-for: {address}")) == [401]


def test_another_address_does_not_suffer(fort: Fort, address: str) -> None:
    statuses(fort, address, *guesses())
    assert statuses(fort, "127.0.0.1", ask("/admin", ADMIN), ask("/known", AGENT)) == [200, 200]
    fort.upstream.take()


def test_guesses_of_every_kind_add_up(fort: Fort, address: str) -> None:
    kinds = itertools.cycle(
        [
            ask("/open", "x-api-key: bad"),
            ask("/open?key=bad"),
            ask("/open", "cookie: session=bad"),
            ask("/open", "authorization: Bearer a.b.c"),
            ask("/open", f"authorization: {bearer()}x"),
        ]
    )
    sent = [*itertools.islice(kinds, REFUSE_AFTER), ask("/known", f"authorization: {bearer(kid='other')}")]
    assert statuses(fort, address, *sent) == [*[401] * REFUSE_AFTER, 429]


def test_the_secret_of_one_key_cannot_be_guessed_from_many_addresses_nor_its_holder_be_locked_out(
    fort: Fort, key: str
) -> None:
    wrong = ask("/open", f"x-api-key: {resealed(key, -1)}")
    came = [next(ask_all(fort, f"127.0.1.{number + 1}", wrong)).status for number in range(REFUSE_AFTER + 1)]
    assert came == [*[401] * REFUSE_AFTER, 429]
    assert statuses(fort, "127.0.2.1", ask("/admin", f"x-api-key: {key}"), wrong) == [200, 429]
    fort.upstream.take()


def test_the_trail_tells_who_guessed_and_never_what(fort: Fort, address: str, key: str) -> None:
    statuses(fort, address, *guesses(), ask("/admin", f"x-api-key: {key}"))
    trail = fort.directory / "audit" / "ext_authz.jsonl"
    until(lambda: b'"too-many-failures"' in trail.read_bytes().rpartition(address.encode())[0][-500:], "it is written")
    last = next(line for line in reversed(trail.read_text().splitlines()) if f'"{address}"' in line)
    assert (json.loads(last)["reason"], json.loads(last)["status"]) == ("too-many-failures", 429)
    assert key not in trail.read_text()
