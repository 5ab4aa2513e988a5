"""ShouldRateLimit over real gRPC, on a real server: what Envoy gets for what it sends."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from google.protobuf.unknown_fields import UnknownFieldSet
from prometheus_client import REGISTRY

from audit.reading import Question, search
from ratelimit_svc.envoy_api import varint
from ratelimit_svc.policy import Limit, Policy, Rate
from ratelimit_svc.server import WORKER
from ratelimit_svc.settings import SETTINGS
from serving import settings
from tests.ratelimit_svc.conftest import a_limit, channel_to

OK, OVER = rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT
RateLimit = rls_pb2.RateLimitResponse.RateLimit
YEAR = 365 * 86_400_000

LIMITS = {
    "two": a_limit(2, YEAR),
    "many": a_limit(2**53, YEAR, per=("route",)),
    "none": a_limit(0, 60_000, algorithm="fixed_window"),
    "minutes": a_limit(9, 300_000),
    "fraction": a_limit(9, 1500),
    "log": a_limit(9, 60_000, algorithm="sliding_log"),
    "leases": a_limit(2, 60_000, algorithm="concurrency"),
    "quota": Limit(
        algorithm="quota", rates=(Rate(requests=9, window_ms=30 * 86_400_000, period="month"),), per=("user",)
    ),
}


@contextlib.asynccontextmanager
async def running(policies, redis_url, state_dir):
    """A channel to the service."""
    options = ["--redis-url", redis_url, "--store-deadline", "1", "--state-dir", str(state_dir)]
    async with channel_to(
        WORKER, settings.read("ratelimit-svc", settings.SERVING + SETTINGS, options, {}), policies
    ) as it:
        yield it


@pytest.fixture
async def stub(book, server, tmp_path):
    await server.command("FLUSHALL")
    async with running(book(Policy(revision="r1", gateway="g", limits=LIMITS)), server.url, tmp_path) as channel:
        yield rls_pb2_grpc.RateLimitServiceStub(channel)


async def test_a_refused_call_reaches_redis_once_and_a_flush_is_noticed(stub, server):
    def asked():
        return REGISTRY.get_sample_value("ratelimit_denied_again_total")

    before = asked()
    codes = [(await stub.ShouldRateLimit(call(("two", "user", "user:alice")))).overall_code for _ in range(6)]
    assert codes == [OK, OK, OVER, OVER, OVER, OVER]
    assert asked() - before == 3
    async with asyncio.timeout(10):
        while await server.command("KEYS", "gatectl:rl:{g}:processes") == []:  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.01)
        await server.command("FLUSHALL")
        while (await stub.ShouldRateLimit(call(("two", "user", "user:alice")))).overall_code == OVER:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


async def test_a_refused_call_is_in_the_audit_trail_and_no_other(book, server, tmp_path):
    await server.command("FLUSHALL")
    policies = book(Policy(revision="r1", gateway="g", limits=LIMITS))
    async with running(policies, server.url, tmp_path) as channel:
        stub = rls_pb2_grpc.RateLimitServiceStub(channel)
        await stub.ShouldRateLimit(call(("two", "user", "user:alice")))
        await stub.ShouldRateLimit(call(("many", "route", "r"), ("none", "user", "user:" + "x" * 1000)))
    [line] = search(tmp_path / "audit", Question())
    told = {name: line[name] for name in ("event", "writer", "reason", "status", "limit", "revision", "user")}
    assert told == {
        "event": "request.limited",
        "writer": "ratelimit_svc",
        "reason": "rate-limited",
        "status": 429,
        "limit": "none",
        "revision": "r1",
        "user": "x" * 256,
    }
    assert 1 <= line["retry_after"] <= 60


def call(*descriptors, domain="g", hits_addend=0):
    """A RateLimitRequest. A descriptor is (limit, dimension, value), maybe with hits, or () for an empty one."""
    request = rls_pb2.RateLimitRequest(domain=domain, hits_addend=hits_addend)
    for descriptor in descriptors:
        added = request.descriptors.add()
        if not descriptor:
            continue
        name, dimension, value, *hits = descriptor
        for entry in (("limit", name), ("revision", "r1"), (dimension, value)):
            added.entries.add(key=entry[0], value=entry[1])
        if hits:
            added.hits_addend.value = hits[0]
    return request


def metadata(response):
    return {key: value.string_value for key, value in response.dynamic_metadata.fields.items()}


def headers(response):
    return {header.key: header.value for header in response.response_headers_to_add}


async def test_a_call_within_its_limits_gets_everything_the_client_and_the_log_need(stub):
    response = await stub.ShouldRateLimit(call(("many", "route", "r"), (), ("two", "user", "alice")))
    assert response.overall_code == OK
    assert [status.code for status in response.statuses] == [OK, OK, OK]
    assert [status.HasField("current_limit") for status in response.statuses] == [True, False, True]
    many, _, two = response.statuses
    assert (two.current_limit.name, two.current_limit.requests_per_unit, two.limit_remaining) == ("two", 2, 1)
    assert two.current_limit.unit == RateLimit.DAY
    assert 0 < two.duration_until_reset.ToMilliseconds() <= YEAR
    assert (many.current_limit.requests_per_unit, many.limit_remaining) == (2**32 - 1, 2**32 - 1)
    year = YEAR // 1000
    assert headers(response)["ratelimit-policy"] == f'"many";q={10**15 - 1};w={year}, "two";q=2;w={year}'
    assert "retry-after" not in headers(response)
    assert headers(response)["x-ratelimit-remaining"] == "1"
    assert metadata(response) == {"limit": "-", "decision": "ok"}
    assert response.raw_body == b""


async def test_a_call_over_a_limit_is_told_which_and_when_to_come_back(stub):
    request = call(("two", "user", "alice"), ("many", "route", "r"))
    for _ in range(2):
        assert (await stub.ShouldRateLimit(request)).overall_code == OK
    response = await stub.ShouldRateLimit(request)
    assert response.overall_code == OVER
    assert [status.code for status in response.statuses] == [OVER, OK]
    told = headers(response)
    assert (told["x-ratelimit-limit"], told["x-ratelimit-remaining"]) == ("2", "0")
    assert int(told["retry-after"]) >= 1
    assert response.dynamic_metadata.fields.pop("retry_after").number_value == int(told["retry-after"])
    assert metadata(response) == {
        "limit": "two",
        "decision": "over_limit",
        "detail": f'limit "two" allows 2 requests per 365 days; try again in {told["retry-after"]} s',
    }
    assert response.raw_body.decode() == metadata(response)["detail"]


@pytest.mark.parametrize(
    ("name", "unit", "multiplier"),
    [("two", RateLimit.DAY, 365), ("minutes", RateLimit.MINUTE, 5), ("none", RateLimit.MINUTE, None),
     ("fraction", RateLimit.SECOND, 2), ("quota", RateLimit.MONTH, None)],
)  # fmt: skip
async def test_any_window_is_told_as_a_multiple_of_a_unit(stub, name, unit, multiplier):
    (status,) = (await stub.ShouldRateLimit(call((name, "user", "alice")))).statuses
    assert status.current_limit.unit == unit
    unknown = {field.field_number: field.data for field in UnknownFieldSet(status.current_limit)}
    assert unknown == ({} if multiplier is None else {4: multiplier})  # unit_multiplier of Envoy 1.40


@pytest.mark.parametrize(
    ("request_", "codes"),
    [
        (call(("two", "user", "-")), [OK]),
        (call(()), [OK]),
        (call(("two", "user", "a"), hits_addend=0), [OK]),
        (call(("two", "user", "a"), hits_addend=2), [OK]),
        (call(("two", "user", "a"), hits_addend=3), [OVER]),
        (call(("two", "user", "a"), hits_addend=2**32 - 1), [OVER]),
        (call(("two", "user", "a", 2**64 - 1)), [OVER]),
        (call(("two", "user", "a", 0), hits_addend=5), [OK]),
        (call(("two", "user", "a", 1), ("two", "user", "b"), hits_addend=5), [OK, OVER]),
        (call(("two", "user", "a"), ("two", "user", "a")), [OK, OK]),
        (call(("two", "user", "a", 2), ("two", "user", "a", 1)), [OVER, OVER]),
        (call(("none", "user", "a")), [OVER]),
        (call(("none", "user", "a", 0)), [OVER]),
        (call(("two", "user", "x" * 10_240)), [OK]),
        (call(*[("two", "user", f"u{number}") for number in range(200)]), [OK] * 200),
    ],
)
async def test_addends_and_descriptors_of_every_size_get_a_clear_answer(stub, request_, codes):
    response = await stub.ShouldRateLimit(request_)
    assert [status.code for status in response.statuses] == codes
    assert response.overall_code == (OVER if OVER in codes else OK)
    assert ("retry-after" in headers(response)) == (OVER in codes)


async def test_a_look_charges_nothing_and_says_when_nothing_is_left(stub):
    look = call(("two", "user", "alice", 0))
    for _ in range(5):
        assert (await stub.ShouldRateLimit(look)).statuses[0].limit_remaining == 2
    await stub.ShouldRateLimit(call(("two", "user", "alice"), hits_addend=2))
    assert (await stub.ShouldRateLimit(look)).overall_code == OVER


def overridden(name, requests, unit, multiplier=None):
    """A call whose descriptor brings a limit of its own."""
    request = call((name, "user", "alice"))
    request.descriptors[0].limit.requests_per_unit, request.descriptors[0].limit.unit = requests, unit
    if multiplier is not None:
        request.descriptors[0].limit.MergeFromString(b"\x18" + varint(multiplier))  # unit_multiplier, field 3
    if name == "leases":
        request.descriptors[0].entries.add(key="lease", value="a request")
    return request


def given_back(*descriptors):
    """A call that gives its hits back (is_negative_hits, field 4)."""
    request = call(*descriptors)
    for descriptor in request.descriptors:
        descriptor.MergeFromString(b"\x20\x01")
    return request


@pytest.mark.parametrize(
    ("requests", "unit", "multiplier", "told"),
    [
        (1, RateLimit.HOUR, None, (RateLimit.HOUR, {})),
        (1, RateLimit.MINUTE, 5, (RateLimit.MINUTE, {4: 5})),
        (1, RateLimit.MONTH, None, (RateLimit.DAY, {4: 30})),
        (2**32 - 1, RateLimit.YEAR, 1, (RateLimit.DAY, {4: 365})),
        (0, RateLimit.SECOND, None, (RateLimit.SECOND, {})),
    ],
)
async def test_a_limit_that_comes_with_a_descriptor_holds_instead_of_the_limits_own(
    stub, requests, unit, multiplier, told
):
    answers = [await stub.ShouldRateLimit(overridden("two", requests, unit, multiplier)) for _ in range(4)]
    assert [answer.overall_code for answer in answers] == [OK] * min(requests, 4) + [OVER] * (4 - min(requests, 4))
    limit = answers[0].statuses[0].current_limit
    assert (limit.unit, {field.field_number: field.data for field in UnknownFieldSet(limit)}) == told
    assert limit.requests_per_unit == requests


async def test_hits_that_are_given_back_are_there_again_and_never_more_than_were_taken(stub):
    two = call(("two", "user", "alice"), hits_addend=2)
    assert (await stub.ShouldRateLimit(two)).overall_code == OK
    assert (await stub.ShouldRateLimit(two)).overall_code == OVER
    answer = await stub.ShouldRateLimit(given_back(("two", "user", "alice", 1)))
    assert (answer.overall_code, answer.statuses[0].limit_remaining) == (OK, 1)
    assert (await stub.ShouldRateLimit(given_back(("two", "user", "alice", 2**64 - 1)))).overall_code == OK
    assert [(await stub.ShouldRateLimit(two)).overall_code for _ in range(2)] == [OK, OVER]


async def test_another_process_that_remembers_a_refusal_hears_of_hits_that_are_given_back(stub, book, server, tmp_path):
    two = call(("two", "user", "alice"), hits_addend=2)
    policies = book(Policy(revision="r1", gateway="g", limits=LIMITS))
    async with running(policies, server.url, tmp_path / "b") as channel:
        other = rls_pb2_grpc.RateLimitServiceStub(channel)
        assert [(await other.ShouldRateLimit(two)).overall_code for _ in range(2)] == [OK, OVER]
        before = REGISTRY.get_sample_value("ratelimit_denied_again_total")
        assert (await other.ShouldRateLimit(two)).overall_code == OVER
        assert REGISTRY.get_sample_value("ratelimit_denied_again_total") == before + 1
        await stub.ShouldRateLimit(given_back(("two", "user", "alice", 2)))
        async with asyncio.timeout(2):
            while (await other.ShouldRateLimit(two)).overall_code == OVER:  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(0.01)


async def test_requests_at_a_time_are_told_without_a_unit(stub):
    answers = []
    for lease in ("a", "b", "c"):
        request = call(("leases", "user", "alice"))
        request.descriptors[0].entries.add(key="lease", value=lease)
        answers.append(await stub.ShouldRateLimit(request))
    limit = answers[0].statuses[0].current_limit
    assert (limit.requests_per_unit, limit.unit) == (2, RateLimit.UNKNOWN)
    assert [answer.overall_code for answer in answers] == [OK, OK, OVER]
    assert metadata(answers[2])["detail"] == 'limit "leases" allows 2 requests at once; try again in 1 s'


def malformed():
    request = call(("two", "user", "alice"))
    del request.descriptors[0].entries[1]
    return request


@pytest.mark.parametrize(
    "request_",
    [
        call(("two", "user", "alice"), domain=""),
        call(),
        call(("nobody", "user", "alice")),
        call(("two", "plan", "free")),
        malformed(),
        call(("two", "user", "alice"), ("nobody", "user", "alice")),
        call(*[("two", "user", "alice")] * 257),
        call(("leases", "user", "alice")),
        overridden("two", 9, RateLimit.UNKNOWN),
        overridden("two", 9, 99),
        overridden("two", 9, RateLimit.SECOND, 0),
        overridden("two", 9, RateLimit.SECOND, 2**32 - 1),
        overridden("two", 9, RateLimit.SECOND, 2**64 - 1),
        overridden("two", 9, RateLimit.YEAR, 2),
        overridden("log", 10_001, RateLimit.SECOND),
        overridden("leases", 9, RateLimit.SECOND),
        overridden("quota", 9, RateLimit.MONTH),
    ],
)
async def test_a_wrong_call_is_an_error_that_repeats_none_of_it(stub, request_):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ShouldRateLimit(request_)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "alice" not in (caught.value.details() or "")


async def test_a_revision_that_nobody_can_judge_is_unavailable(stub):
    request = call(("nobody", "user", "alice"))
    request.descriptors[0].entries[1].value = "r9"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ShouldRateLimit(request)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("mode", ["allow", "deny"])
async def test_without_redis_the_policy_says_whether_the_fallback_answers_or_envoy_decides(book, tmp_path, mode):
    policies = book(Policy(revision="r1", gateway="g", on_store_failure=mode, limits=LIMITS))
    async with running(policies, f"unix://{tmp_path}/nothing", tmp_path) as channel:
        stub = rls_pb2_grpc.RateLimitServiceStub(channel)
        if mode == "deny":
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ShouldRateLimit(call(("two", "user", "alice")))
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            return
        decisions = [metadata(await stub.ShouldRateLimit(call(("two", "user", "alice")))) for _ in range(3)]
    assert [each["decision"] for each in decisions] == ["fallback_ok", "fallback_ok", "fallback_over_limit"]
    assert decisions[2]["limit"] == "two"
