import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ext_authz import api_key, policy
from ext_authz.engine import Request
from ext_authz.server import Authorization
from tests.ext_authz.worlds import (
    AGENT_KEY,
    CUSTOMER_KEY,
    FOREIGN_KEY,
    POLICY,
    bearer,
    check_request,
    claims,
    request,
    without_redis,
)


class Book:
    def get(self, revision: str) -> policy.Policy | None:
        return POLICY if revision == "r1" else None


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, loop: asyncio.Runner) -> Authorization:
    async def build() -> Authorization:
        book: Any = Book()
        return Authorization(book, without_redis(tmp_path_factory.mktemp("keys")))

    return loop.run(build())


def allowed(loop: asyncio.Runner, service: Authorization, raw: bytes) -> bool:
    response = external_auth_pb2.CheckResponse.FromString(loop.run(service.check(raw)))
    ok: bool = response.WhichOneof("http_response") == "ok_response"
    assert ok == (response.status.code == 0)
    return ok


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
KEYS = st.sampled_from([AGENT_KEY, CUSTOMER_KEY, FOREIGN_KEY, AGENT_KEY.upper(), api_key.mint()[0]])
VALUES = TEXT | KEYS | st.sampled_from([bearer(claims(exp=1)), "Bearer x", "Basic x", "", ",", "Bearer a.b.c"])
HEADERS = st.dictionaries(
    st.sampled_from(["x-api-key", "authorization", "X-API-Key", "cookie", "x-gate-user", "x-gate-roles"]) | TEXT, VALUES
)
PATHS = TEXT | st.sampled_from(["/tickets", "/customers/42", "/customers/43", "/customers/4%32", "//customers/42"])
REQUESTS = st.builds(
    Request,
    route=st.sampled_from(["open", "shut", "any", "tickets", "customer"]) | TEXT,
    revision=st.sampled_from(["r1", "r1", "r1", "r0", ""]),
    method=st.sampled_from(["GET", "POST", "get", "DELETE", ""]) | TEXT,
    path=PATHS,
    headers=HEADERS,
    address=TEXT,
    request_id=TEXT,
)
RIGHTS = {
    ("any", None, None): {AGENT_KEY, CUSTOMER_KEY, FOREIGN_KEY},
    ("tickets", "GET", None): {AGENT_KEY, FOREIGN_KEY},
    ("tickets", "POST", None): {AGENT_KEY, FOREIGN_KEY},
    ("customer", "GET", "/customers/42"): {CUSTOMER_KEY},
    ("customer", "GET", "/customers/4%32"): {CUSTOMER_KEY},
}
"""Who may do what in POLICY, told apart from how the engine finds out."""


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(asked=REQUESTS)
def test_no_request_is_allowed_without_a_valid_key_and_a_matching_rule(
    loop: asyncio.Runner, service: Authorization, asked: Request
) -> None:
    if not allowed(loop, service, check_request(asked)):
        return
    key, token = asked.headers.get("x-api-key"), asked.headers.get("authorization")
    assert token is None
    assert asked.revision == "r1"
    path = asked.path.partition("?")[0]
    if asked.route == "open":
        assert key in {None, AGENT_KEY, CUSTOMER_KEY, FOREIGN_KEY}
    else:
        holders = [
            keys
            for (route, method, where), keys in RIGHTS.items()
            if route == asked.route and method in {None, asked.method} and where in {None, path}
        ]
        assert any(key in keys for keys in holders)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=200))
def test_no_bytes_are_allowed_or_make_it_fail(loop: asyncio.Runner, service: Authorization, raw: bytes) -> None:
    assert not allowed(loop, service, raw)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_good_request_makes_it_fail(
    loop: asyncio.Runner, service: Authorization, data: st.DataObject
) -> None:
    raw = bytearray(check_request(request("shut", key=AGENT_KEY)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    allowed(loop, service, bytes(raw))


@settings(max_examples=200, deadline=None)
@given(header=st.binary(max_size=100))
def test_no_bytes_in_a_credential_header_are_allowed(
    loop: asyncio.Runner, service: Authorization, header: bytes
) -> None:
    value = header.decode("latin-1")
    assert not allowed(loop, service, check_request(request(key=value)))
    assert not allowed(loop, service, check_request(request(authorization=f"Bearer {value}")))
    assert not allowed(loop, service, check_request(request("open", authorization=value)))
