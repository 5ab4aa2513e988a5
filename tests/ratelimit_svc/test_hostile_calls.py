"""Whatever is sent, both services give a clear answer or a gRPC error, and never more than there is."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ratelimit_svc.any_bytes import readable
from ratelimit_svc.envoy_api import SERVICE, varint
from ratelimit_svc.policy import Policy
from tests.ratelimit_svc import test_grpc
from tests.ratelimit_svc.compat import test_service
from tests.ratelimit_svc.conftest import Server, a_limit, running_server

Response = rls_pb2.RateLimitResponse
OK, OVER = Response.OK, Response.OVER_LIMIT
YEAR = 365 * 86_400
NUMBERS = {"zero": 0, "three": 3, "many": 2**32 - 1}
POLICY = Policy(
    revision="r1",
    gateway="g",
    limits={name: a_limit(most, YEAR * 1000, algorithm="fixed_window") for name, most in NUMBERS.items()},
)
FILE = "domain: g\ndescriptors:\n" + "".join(
    f"  - {{key: {name}, rate_limit: {{unit: year, requests_per_unit: {most}}}}}\n" for name, most in NUMBERS.items()
)
UNITS = {1: 1, 2: 60, 3: 3600, 4: 86_400, 5: 30 * 86_400, 6: YEAR, 7: 7 * 86_400}
"""Seconds of RateLimitUnit."""
CLEAR = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE}
"""UNKNOWN, which gRPC makes of an exception, is not among them."""
Send = Callable[[bytes], Awaitable[bytes]]
_calls = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One is enough: that all count alike is shown elsewhere."""
    yield from running_server("valkey")


@pytest.fixture(params=["gateway", "compat"])
async def send(request: pytest.FixtureRequest, book: Any, server: Server, tmp_path: Path) -> AsyncIterator[Send]:
    """Bytes of a RateLimitRequest to those of the answer. Raises AioRpcError. Its ``kind`` is the service's."""
    await server.command("FLUSHALL")
    if request.param == "gateway":
        running = test_grpc.running(book(POLICY), server.url, tmp_path)
    else:
        running = test_service.running(server.url, tmp_path, file=FILE)
    async with running as channel:
        yield channel.unary_unary(f"/{SERVICE}/ShouldRateLimit")


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["send"])


class Asked(NamedTuple):
    """A descriptor as it is sent. ``limit`` and ``multiplier``: RateLimitOverride."""

    name: str
    caller: str
    hits: int | None
    refund: bool
    limit: tuple[int, int] | None
    multiplier: int | None
    more: bytes
    """Fields that nobody knows."""

    @property
    def rate(self) -> tuple[int, int]:
        """Requests and seconds that hold; no seconds: there is no such rate."""
        if self.limit is None:
            return NUMBERS[self.name], YEAR
        requests, unit = self.limit
        return requests, UNITS.get(unit, 0) * (1 if self.multiplier is None else self.multiplier)

    def message(self, kind: str, run: str) -> Any:
        made = rls_pb2.RateLimitRequest().descriptors.add()
        entries = [("limit", self.name), ("revision", "r1"), ("user", self.caller + run)]
        for key, value in entries if kind == "gateway" else [(self.name, self.caller + run)]:
            made.entries.add(key=key, value=value)
        if self.hits is not None:
            made.hits_addend.value = self.hits
        if self.limit is not None:
            made.limit.requests_per_unit, made.limit.unit = self.limit
            if self.multiplier is not None:
                made.limit.MergeFromString(b"\x18" + varint(self.multiplier))
        made.MergeFromString((b"\x20\x01" if self.refund else b"") + self.more)
        return made


asked = st.builds(
    Asked,
    st.sampled_from(["three", "three", "many", "zero"]),
    st.sampled_from(["a", "b", "", "\0", "x" * 10_000, "\u00e9\U0001f600", '"', "address:::1"]),
    st.none() | st.sampled_from([0, 1, 2, 3, 4, 2**32 - 1, 2**63, 2**64 - 1]),
    st.integers(0, 3).map(lambda one: not one),
    st.none() | st.none() | st.tuples(st.sampled_from([0, 1, 3, 2**32 - 1]), st.sampled_from([0, 4, 5, 6, 7, 99])),
    st.none() | st.sampled_from([0, 1, 7, 2**32 - 1, 2**64 - 1]),
    st.sampled_from([b"", b"", b"\x2a\x03abc", b"\xf8\x7f\x01", b"\x18\x01"]),
)


def plain(hits: int, *, refund: bool = False) -> Asked:
    return Asked("three", "a", hits, refund, None, None, b"")


def judged(call: list[Asked], addend: int, used: dict[tuple[Any, ...], int], kind: str) -> list[int] | None:
    """The codes that a call deserves, None for a mistake; what it charges is added to ``used``."""
    counted = []
    for one in call:
        # in files of others, no multiplier is 1, and so is 0
        requests, seconds = one._replace(multiplier=one.multiplier or None).rate if kind == "compat" else one.rate
        if not 0 < seconds <= 366 * 86_400:
            return None
        hits = (addend or 1) if one.hits is None else one.hits
        # what gives back nothing is not about a counter
        key = (one.name, one.caller, seconds) if hits or not one.refund or kind == "compat" else ()
        counted.append((key, requests, hits, one.refund))
    refunds = {key for key, *_, refund in counted if refund}
    takes = {key for key, *_, refund in counted if not refund}
    if refunds & takes:
        return None
    if kind == "compat":
        codes = []
        for key, requests, hits, refund in counted:
            used[key] = max(0, used.get(key, 0) + (-hits if refund else hits))
            codes.append(OVER if used[key] > requests and not refund else OK)
        return codes
    sums = {key: sum(hits for other, _, hits, _ in counted if other == key) for key, *_ in counted}
    most = {key: min(requests for other, requests, *_ in counted if other == key) for key, *_ in counted}
    over = {key for key in takes if used.get(key, 0) + max(1, sums[key]) > most[key]}
    for key, hits in sums.items():
        if key in refunds:
            used[key] = max(0, used.get(key, 0) - hits)
        elif not over:
            used[key] = used.get(key, 0) + hits
    return [OVER if key in over else OK for key, *_ in counted]


async def outcome(send: Send, sent: bytes) -> list[int] | grpc.StatusCode:
    """The codes of the statuses, of which every answer has as many as it was asked; or the error."""
    try:
        answer = Response.FromString(await send(sent))
    except grpc.aio.AioRpcError as error:
        return error.code()
    codes = [status.code for status in answer.statuses]
    assert len(codes) == len(rls_pb2.RateLimitRequest.FromString(readable(sent)).descriptors)
    assert set(codes) <= {OK, OVER}
    assert answer.overall_code == (OVER if OVER in codes else OK)
    return codes


@given(
    calls=st.lists(
        st.tuples(st.lists(asked, min_size=1, max_size=4), st.sampled_from([0, 0, 1, 3, 2**32 - 1])),
        min_size=1,
        max_size=6,
    )
)
@example(calls=[([plain(9, refund=True), plain(3)], 0), ([plain(1)], 0)])
@example(calls=[([plain(1)], 0), ([plain(2**64 - 1), plain(2**64 - 1)], 0), ([plain(2**64 - 1, refund=True)], 0)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_call_is_answered_as_a_count_of_its_own_says(send: Send, kind: str, calls: Any) -> None:
    run, used = f" {next(_calls)}", dict[tuple[Any, ...], int]()
    for call, addend in calls:
        request = rls_pb2.RateLimitRequest(
            domain="g", hits_addend=addend, descriptors=[one.message(kind, run) for one in call]
        )
        wanted = judged(call, addend, used, kind)
        told = await outcome(send, request.SerializeToString())
        assert told == (grpc.StatusCode.INVALID_ARGUMENT if wanted is None else wanted), (call, addend)


VALID = {
    kind: rls_pb2.RateLimitRequest(
        domain="g",
        descriptors=[
            Asked("three", "a", 1, True, (3, 6), 1, b"").message(kind, ""),
            Asked("many", "b", None, False, None, None, b"").message(kind, ""),
        ],
    ).SerializeToString()
    for kind in ("gateway", "compat")
}
edits = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 4), st.binary(max_size=4) | st.just(b"\xff\xfe")), max_size=5
)


@given(edited=edits, random=st.binary(max_size=40) | st.none())
@example(edited=[], random=b"")
@example(edited=[], random=b"\x0a\x02\xff\xfe")  # a domain that is no UTF-8
@example(edited=[], random=b"\x0a\x01g" + b"\x12\x00" * 257)
@example(edited=[], random=b"\x0a\x01g" + b"\x12\x00" * 200)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_bytes_of_any_kind_get_a_clear_answer_or_an_error(
    send: Send, kind: str, edited: list[tuple[int, int, bytes]], random: bytes | None
) -> None:
    sent = VALID[kind] if random is None else random
    for at, gone, instead in edited:
        sent = sent[:at] + instead + sent[at + gone :]
    told = await outcome(send, sent)
    assert isinstance(told, list) or told in CLEAR


async def test_a_value_that_is_no_text_is_counted_as_any_other(send: Send, kind: str) -> None:
    run = f" {next(_calls)}"
    call = rls_pb2.RateLimitRequest(
        domain="g", descriptors=[Asked("three", "??", None, False, None, None, b"").message(kind, run)]
    ).SerializeToString()

    async def code(value: bytes) -> int:
        return Response.FromString(await send(call.replace(b"??", value))).overall_code

    assert [await code(b"\xff\xfe") for _ in range(4)] == [OK, OK, OK, OVER]
    assert [await code(b"\xff\xff"), await code(b"\xc3\xa9")] == [OK, OK]


async def test_a_call_of_any_length_is_answered(send: Send, kind: str) -> None:
    many = [Asked("three", "x" * 100_000 + str(number), None, False, None, None, b"") for number in range(200)]
    call = rls_pb2.RateLimitRequest(domain="g", descriptors=[one.message(kind, "") for one in many])
    assert await outcome(send, call.SerializeToString()) == [OK] * 200
