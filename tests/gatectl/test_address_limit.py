"""What a real Envoy takes from one address, before it asks anybody about a request."""

import http.client
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatectl.compiler import compile_spec
from gatectl.render.bundle import build
from gatectl.render.filters import local_ratelimit
from tests.gatectl.gateways import Gateway, unguarded
from tests.gatectl.specs import spec, text

# of the poll that came before the socket did
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
ABUSE = {"requests_per_address": "3/hour", "exempt": ["198.51.100.0/24", "2001:db8:ffff::/48"]}
CAPACITY = 4
Ask = Callable[[str], tuple[int, dict[str, str], Any]]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """A request by way of a proxy that saw it come from an address; statuses 429, or 404 from behind the limit."""
    with tempfile.TemporaryDirectory(prefix="al-") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_ratelimit, "MAX_ADDRESSES", CAPACITY)
        gateway = Gateway(Path(directory))
        listener = {"address": "127.0.0.1", "port": gateway.port, "trusted_proxies": 1}
        limited = spec(Path(directory), text(listener=listener, abuse=ABUSE))
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)

        def get(forwarded_for: str) -> tuple[int, dict[str, str], Any]:
            connection.request("GET", "/nothing-here", headers={"x-forwarded-for": forwarded_for})
            response = connection.getresponse()
            body = response.read()
            return response.status, dict(response.headers), json.loads(body) if body else None

        try:
            gateway.start(unguarded(build(compile_spec(limited))))
            yield get
        finally:
            connection.close()
            gateway.stop()


def statuses(ask: Ask, *addresses: str) -> list[int]:
    return [ask(address)[0] for address in addresses]


def test_an_address_that_sends_too_much_gets_429_and_the_others_do_not_notice(ask: Ask) -> None:
    assert statuses(ask, *["192.0.2.1"] * 5) == [404, 404, 404, 429, 429]
    assert statuses(ask, "192.0.2.2") == [404]
    status, headers, problem = ask("192.0.2.1")
    assert (status, headers["content-type"]) == (429, "application/problem+json")
    assert 0 < int(headers["retry-after"]) <= 1200  # a third of an hour until there is one more
    assert problem["type"] == "urn:gatectl:error:address-limited"
    assert (problem["title"], problem["status"]) == ("Too Many Requests", 429)
    assert problem["request_id"] == headers["x-request-id"]


def test_a_forged_chain_of_proxies_is_the_address_of_the_one_that_is_trusted(ask: Ask) -> None:
    assert statuses(ask, *[f"203.0.113.{number}, 192.0.2.3" for number in range(5)]) == [404, 404, 404, 429, 429]


def test_the_addresses_of_one_ipv6_customer_are_one(ask: Ask) -> None:
    assert statuses(ask, *[f"2001:db8:1:1::{number:x}" for number in range(5)]) == [404, 404, 404, 429, 429]
    assert statuses(ask, "2001:db8:1:2::1") == [404]


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8:ffff:7::1"])
def test_an_exempt_address_meets_no_limit(ask: Ask, address: str) -> None:
    assert set(statuses(ask, *[address] * 10)) == {404}


def test_of_more_addresses_than_are_counted_the_oldest_is_forgotten_and_starts_anew(ask: Ask) -> None:
    assert statuses(ask, *["192.0.2.9"] * 4) == [404, 404, 404, 429]
    assert statuses(ask, *[f"10.0.0.{number}" for number in range(CAPACITY - 1)], "192.0.2.9")[-1] == 429
    assert statuses(ask, *[f"10.0.1.{number}" for number in range(CAPACITY)], "192.0.2.9")[-1] == 404
