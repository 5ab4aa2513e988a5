"""ShouldRateLimit over real gRPC, answered by configuration files."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from google.protobuf.unknown_fields import UnknownFieldSet

from ratelimit_svc.compat import files
from ratelimit_svc.compat.config import Rate, Rule
from ratelimit_svc.compat.engine import UNLIMITED, Decision, Status
from ratelimit_svc.compat.server import WORKER
from ratelimit_svc.compat.service import SERVICE
from ratelimit_svc.compat.telemetry import RuleHits, split
from serving import settings
from serving.text_files import text_files
from tests.ratelimit_svc.conftest import channel_to

Response = rls_pb2.RateLimitResponse
OK, OVER = Response.OK, Response.OVER_LIMIT
FILE = """
domain: d
descriptors:
  - {key: day, rate_limit: {unit: day, requests_per_unit: 2, name: daily}}
  - {key: week, rate_limit: {unit: week, requests_per_unit: 2}}
  - {key: shadow, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: free, rate_limit: {unlimited: true}}
"""


@contextlib.asynccontextmanager
async def running(redis_url, directory, *flags, file=FILE):
    """A channel to the service."""
    (directory / "c.yaml").write_text(file)
    flags = ("--compat-config", str(directory), "--redis-url", redis_url, "--store-deadline", "1", *flags)
    values = settings.read("ratelimit-svc", SERVICE.all_settings, flags, {})
    book = WORKER.book(values, WORKER)
    assert book.refresh(), book.rejected
    async with channel_to(WORKER, values, book) as channel:
        yield channel


def asking(channel):
    return rls_pb2_grpc.RateLimitServiceStub(channel).ShouldRateLimit


@pytest.fixture
async def ask(server, tmp_path):
    await server.command("FLUSHALL")
    async with running(server.url, tmp_path) as channel:
        yield asking(channel)


def call(*keys, domain="d", hits_addend=0):
    request = rls_pb2.RateLimitRequest(domain=domain, hits_addend=hits_addend)
    for key in keys:
        request.descriptors.add().entries.add(key=key, value="v")
    return request


async def test_a_refused_call_counts_for_every_descriptor(ask):
    assert [(await ask(call("day", "week"))).overall_code for _ in range(3)] == [OK, OK, OVER]
    answer = await ask(call("week"))
    assert (answer.overall_code, answer.statuses[0].limit_remaining) == (OVER, 0)
    assert answer.statuses[0].current_limit.unit == Response.RateLimit.WEEK
    assert not answer.response_headers_to_add


async def test_of_many_calls_at_once_exactly_the_limit_is_let_through(ask):
    answers = await asyncio.gather(*(ask(call("day", "week")) for _ in range(200)))
    assert [answer.overall_code for answer in answers].count(OK) == 2


async def test_statuses_come_in_the_order_of_the_descriptors(ask):
    answer = await ask(call("day", "unknown", "free", "shadow", hits_addend=2))
    day, unknown, free, shadow = answer.statuses
    assert (day.code, day.current_limit.name, day.limit_remaining) == (OK, "daily", 0)
    assert 1 <= day.duration_until_reset.seconds <= 86_400
    assert unknown == Response.DescriptorStatus(code=OK)
    assert free == Response.DescriptorStatus(code=OK, limit_remaining=UNLIMITED)
    assert (shadow.code, shadow.current_limit.requests_per_unit, answer.overall_code) == (OK, 1, OK)


async def test_a_look_is_let_through_until_the_limit_is_exceeded(ask):
    look = call("day")
    look.descriptors[0].hits_addend.value = 0
    asked = (call("day", hits_addend=2), look, call("day"), look)
    assert [(await ask(request)).overall_code for request in asked] == [OK, OK, OVER, OVER]


async def test_a_limit_that_comes_with_the_descriptor_wins(ask):
    request = call("unknown")
    request.descriptors[0].limit.requests_per_unit = 1
    request.descriptors[0].limit.unit = 2
    request.descriptors[0].limit.MergeFromString(b"\x18\x05")  # unit_multiplier: 5
    [status] = (await ask(request)).statuses
    assert (status.current_limit.requests_per_unit, status.current_limit.unit) == (1, Response.RateLimit.MINUTE)
    assert [(field.field_number, field.data) for field in UnknownFieldSet(status.current_limit)] == [(4, 5)]
    assert (await ask(request)).overall_code == OVER
    assert (await ask(call("day"))).overall_code == OK


@pytest.mark.parametrize("tail", [b"", b"\x10\x09", b"\x10\x06\x18\x02", b"\x10\x01\x18\xff\xff\xff\xff\x0f"])
async def test_a_limit_in_no_unit_or_without_end_is_refused_and_ends_nothing(ask, tail):
    request = call("day")
    request.descriptors[0].limit.MergeFromString(b"\x08\x01" + tail)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert (await ask(call("day"))).overall_code == OK


@pytest.mark.parametrize(
    "request_", [call(), call("day", domain=""), call(*["day"] * 257)], ids=["none", "no domain", "many"]
)
async def test_a_call_that_cannot_be_decided_is_an_error(ask, request_):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(request_)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_domain_is_let_through(ask):
    answer = await ask(call("day", domain="other"))
    assert (answer.overall_code, list(answer.statuses)) == (OK, [Response.DescriptorStatus(code=OK)])


async def test_what_is_given_back_can_be_had_again_and_is_never_refused(ask):
    refund = call("day", hits_addend=5)
    refund.descriptors[0].MergeFromString(b"\x20\x01")  # is_negative_hits
    asked = [call("day", hits_addend=4), refund, call("day", hits_addend=2), refund, refund, call("day", hits_addend=3)]
    answers = [await ask(request) for request in asked]
    assert [answer.overall_code for answer in answers] == [OVER, OK, OK, OK, OK, OVER]
    assert [answer.statuses[0].limit_remaining for answer in answers] == [0, 2, 0, 2, 2, 0]


async def test_addends_without_end_and_long_values_are_decided(ask):
    request = call("day", "week")
    request.descriptors[0].hits_addend.value = 2**64 - 1
    request.descriptors[1].entries[0].value = "x" * 10_000
    answer = await ask(request)
    assert [status.code for status in answer.statuses] == [OVER, OK]


async def test_headers_tell_the_limit_that_takes_longest_to_come_back(server, tmp_path):
    await server.command("FLUSHALL")
    async with running(server.url, tmp_path, "--response-headers", "true") as channel:
        ask = asking(channel)
        answer = await ask(call("week", "day", hits_addend=3))
    told = {header.key: header.value for header in answer.response_headers_to_add}
    week = answer.statuses[0].duration_until_reset.seconds
    longest = max(week, answer.statuses[1].duration_until_reset.seconds)
    assert told == {"RateLimit-Limit": "2", "RateLimit-Remaining": "0", "RateLimit-Reset": str(longest)}


async def test_in_shadow_mode_every_call_is_let_through_and_its_statuses_say_what_would_be(server, tmp_path):
    await server.command("FLUSHALL")
    async with running(server.url, tmp_path, "--shadow-mode", "true") as channel:
        ask = asking(channel)
        answer = await ask(call("day", hits_addend=3))
    assert (answer.overall_code, answer.statuses[0].code) == (OK, OVER)


@pytest.mark.parametrize(("setting", "expected"), [("deny", None), ("allow", OVER)])
async def test_without_redis_the_failure_mode_decides_or_local_counters_do(tmp_path, setting, expected):
    async with running("redis://127.0.0.1:1", tmp_path, "--when-redis-is-away", setting) as channel:
        ask = asking(channel)
        if expected is None:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask(call("day"))
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        else:
            assert (await ask(call("day", hits_addend=3))).overall_code == expected


def test_a_directory_is_followed_and_a_bad_file_changes_nothing(tmp_path):
    book = WORKER.book({"compat_config": tmp_path, "merge_domains": False}, WORKER)
    assert book.refresh()
    assert book.rejected == {"current": "*.yaml cannot be read: there is none"}
    for generation, requests in (
        ("..one", 1),
        ("..two", 2),
    ):  # a ConfigMap: ..data is swapped, files are links through it
        (tmp_path / generation).mkdir()
        text = f"domain: d\ndescriptors: [{{key: a, rate_limit: {{unit: day, requests_per_unit: {requests}}}}}]"
        (tmp_path / generation / "c.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    (tmp_path / "notes.txt").write_text("no configuration")
    assert book.refresh()
    assert book.rejected == {}
    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert book.refresh()
    rates = [book.current.match("d", [("a", "x")]).rule.rate.requests]
    (tmp_path / "..two" / "c.yaml").write_bytes(b"domain: d\xff")
    assert book.refresh()
    assert not book.refresh()
    assert rates == [book.current.match("d", [("a", "x")]).rule.rate.requests] == [2]
    assert book.rejected == {"current": "c.yaml:1:10: the file is not UTF-8"}


def status(before, after, limit, *, shadow=False):
    over = after > limit
    rule = Rule("d.k", Rate(limit, "day"), shadow=shadow)
    return Status(rule, "d.k_v", over and not shadow, over and shadow, max(0, limit - after), 1, before, after)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0, 3, (3, 3, 0, 0)),
        (7, 9, (2, 2, 1, 0)),
        (9, 10, (1, 1, 1, 0)),
        (7, 12, (5, 0, 2, 2)),
        (10, 12, (2, 0, 0, 2)),
        (12, 12, (0, 0, 0, 0)),
    ],
)
def test_hits_are_split_at_the_thresholds(before, after, told):
    made = split(status(before, after, 10))
    assert tuple(made.values()) == (*told, 0)
    shadowed = split(status(before, after, 10, shadow=True))
    assert shadowed["shadow_mode"] == shadowed["over_limit"] == made["over_limit"]


def test_names_with_values_are_bounded():
    hits = RuleHits(most=1)
    hits.count(Decision(True, (status(0, 1, 10),)))
    other = Status(*[getattr(status(0, 1, 10), name) if name != "metric" else "d.k_w" for name in Status.__slots__])
    assert [hits.name_of(status(0, 1, 10)), hits.name_of(other)] == ["d.k_v", "d.k"]


def test_a_document_is_the_text_of_every_file(tmp_path):
    for name in ("b.yml", "a.yaml", "limits", "team/c.json", ".hidden.yaml", "..2026/a.yaml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "again").symlink_to("team")
    assert list(text_files(tmp_path, files.SUFFIXES).items()) == [
        (name, name) for name in ("a.yaml", "b.yml", "limits", "team/c.json")
    ]


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path):
    (tmp_path / "a.yaml").write_text("a")
    (tmp_path / "b.yaml").symlink_to("gone.yaml")
    with pytest.raises(FileNotFoundError):
        text_files(tmp_path, files.SUFFIXES)
    with pytest.raises(FileNotFoundError):
        text_files(tmp_path / "none", files.SUFFIXES)
