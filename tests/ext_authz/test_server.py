import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from prometheus_client import REGISTRY

from audit.reading import Question, lines, search
from audit.trail import Trail
from audit.verifier import verify
from audit.writer import Writer
from ext_authz import api_key, envoy_api, policy, telemetry
from ext_authz.api_key import Peppers
from ext_authz.engine import Request, Taken
from ext_authz.keyset import connect
from ext_authz.server import WORKER, Authorization
from ext_authz.settings import SETTINGS
from serving import settings
from serving.logs import JsonFormatter
from serving.policies import PolicyBook
from serving.settings import Values
from tests.ext_authz.conftest import Valkey
from tests.ext_authz.worlds import (
    AGENT_KEY,
    CUSTOMER_KEY,
    KEY_SET,
    POLICY,
    bearer,
    check_request,
    claims,
    request,
    without_redis,
)

PEPPER = "a pepper of this test's own, long".replace(" ", "-")


class Book:
    def get(self, revision: str) -> policy.Policy | None:
        return POLICY if revision == "r1" else None


class Broken:
    method = "broken"
    ambient = False

    def find(self, *_: Any) -> tuple[str, ...]:
        return ("secret",)

    def challenge(self, *_: Any) -> None:
        return None

    def taken(self, *_: Any, **__: Any) -> Taken:
        return Taken()

    def authenticate(self, *_: Any) -> Any:
        raise RuntimeError("boom: secret")


async def test_a_watcher_is_told_what_a_request_was_taken_for_and_how_it_was_decided() -> None:
    seen: list[tuple[Any, ...]] = []
    book: Any = Book()
    service = Authorization(book, (), lambda *told: seen.append(told))
    for route in ("open", "nowhere"):
        await service.check(check_request(request(route)))
    (first, case, public), (_, refusal, unknown) = seen
    assert (first.route, case.request, public.reason.code) == ("open", first, "public")
    assert (refusal, unknown.reason.code) == (unknown, "route-unknown")


@pytest.mark.parametrize("route", ["open", "any"])
async def test_an_unforeseen_error_denies_and_tells_no_secret(route: str, caplog: pytest.LogCaptureFixture) -> None:
    book: Any = Book()
    raw = await Authorization(book, (Broken(),)).check(check_request(request(route)))
    response = external_auth_pb2.CheckResponse.FromString(raw)
    assert response.denied_response.status.code == 503
    assert json.loads(response.denied_response.body)["type"] == "urn:gatectl:error:internal-error"
    written = [JsonFormatter().format(record) for record in caplog.records]
    assert any("check failed" in line for line in written)
    assert "secret" not in "".join(written)


async def test_every_refusal_is_in_the_audit_trail_without_the_credential(tmp_path: Path) -> None:
    book: Any = Book()
    trail = Trail(Writer(tmp_path / "audit", "ext_authz"), lambda _: None)
    service = Authorization(book, without_redis(tmp_path), trail=trail)
    wrong, token = AGENT_KEY[:-1] + "?", bearer(claims(exp=1))
    refused = [
        (request(key=wrong, path=f"/tickets?key={AGENT_KEY}"), ("key-invalid", None, None)),
        (request(authorization=token), ("token-expired", "alice", None)),
        (request(key=CUSTOMER_KEY), ("access-denied", "42", "shop")),
        (request(), ("credential-missing", None, None)),
        (request(revision="r9"), ("revision-not-loaded", None, None)),
    ]
    for asked, *_ in refused:
        await service.check(check_request(asked))
    await service.check(check_request(request(key=AGENT_KEY)))
    trail.close()
    written = list(search(tmp_path / "audit", Question({"event": "request.refused"})))
    assert [(line["reason"], line["user"], line["key_id"]) for line in written] == [told for _, told in refused]
    for line in written:
        assert (line["address"], line["request_id"], line["http_method"]) == ("192.0.2.7", "request-1", "GET")
        assert line["route"] == "tickets"
        assert line["revision"] in {"r1", "r9"}
    text = "".join(path.read_text() for path in (tmp_path / "audit").iterdir())
    for secret in (AGENT_KEY, CUSTOMER_KEY, wrong, token.removeprefix("Bearer "), "?key="):
        assert secret not in text


async def test_a_trail_that_cannot_be_written_refuses_nobody_and_the_loss_is_a_metric(tmp_path: Path) -> None:
    def lost() -> float:
        return REGISTRY.get_sample_value("ext_authz_audit_lost_total") or 0

    book: Any = Book()
    (tmp_path / "audit").write_text("no directory")
    trail = Trail(Writer(tmp_path / "audit", "ext_authz"), telemetry.AUDIT_LOST.inc, size=2)
    service, before = Authorization(book, without_redis(tmp_path), trail=trail), lost()
    for key, status in ((AGENT_KEY, 0), ("wrong", 401), ("wrong", 401), ("wrong", 401), (AGENT_KEY, 0)):
        raw = await service.check(check_request(request(key=key)))
        assert external_auth_pb2.CheckResponse.FromString(raw).denied_response.status.code == status
    assert lost() == before + 1
    trail.close()
    assert lost() == before + 3


async def test_decisions_are_counted_by_names_of_ours_only(tmp_path: Path) -> None:
    book: Any = Book()
    service = Authorization(book, without_redis(tmp_path))

    def count(outcome: str, reason: str, method: str) -> float:
        labels = {"outcome": outcome, "reason": reason, "method": method}
        return REGISTRY.get_sample_value("ext_authz_decisions_total", labels) or 0

    before = count("allow", "granted", "api_key"), count("deny", "route-unknown", "none")
    await service.check(check_request(request(key=AGENT_KEY)))
    await service.check(check_request(request("no-such-route", method="BREW", path="/x?y")))
    assert (count("allow", "granted", "api_key"), count("deny", "route-unknown", "none")) == (
        before[0] + 1,
        before[1] + 1,
    )
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if metric.name.startswith("ext_authz"):
                assert "no-such-route" not in str(sample.labels)


async def test_a_shadow_rule_that_would_refuse_is_counted_and_on_record(tmp_path: Path) -> None:
    deny = policy.Rule(effect="deny", enforce=False, methods=("POST",))
    route = policy.Route(rules=(policy.Rule(), deny))

    class Shadowed:
        def get(self, revision: str) -> policy.Policy:
            return POLICY.model_copy(update={"routes": {"any": route}})

    book: Any = Shadowed()
    trail = Trail(Writer(tmp_path / "audit", "ext_authz"), lambda _: None)
    service = Authorization(book, without_redis(tmp_path), trail=trail)

    def count() -> float:
        labels = {"outcome": "allow", "shadow": "deny"}
        return REGISTRY.get_sample_value("ext_authz_shadow_decisions_total", labels) or 0

    before = count()
    for method in ("GET", "POST"):
        await service.check(check_request(request("any", method=method, key=AGENT_KEY)))
    trail.close()
    assert count() == before + 1
    (line,) = search(tmp_path / "audit", Question())
    assert (line["event"], line["http_method"]) == ("request.shadow", "POST")
    assert (line["shadow"], line["shadow_rules"], line["user"]) == ("deny", [2], "alice")


@asynccontextmanager
async def worker(redis_url: str, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "authz.json").write_text(POLICY.model_dump_json())
    (tmp_path / "jwks.json").write_bytes(KEY_SET)
    book = PolicyBook(tmp_path, WORKER.policy_file, WORKER.load_policy)
    book.refresh()
    server = grpc.aio.server()
    values = settings.read("ext-authz", SETTINGS, ["--redis-url", redis_url], {"EXT_AUTHZ_PEPPER": PEPPER})
    async with WORKER.opened(Values(values, state_dir=tmp_path), book) as register:
        register(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            yield opened
        await server.stop(None)


@pytest.fixture
async def channel(valkey: Valkey, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    async with worker(valkey.url, tmp_path) as opened:
        yield opened


async def test_a_worker_that_has_ended_left_every_refusal_in_the_trail(tmp_path: Path) -> None:
    async with worker("redis://127.0.0.1:1/0", tmp_path) as channel:
        check = channel.unary_unary(f"/{envoy_api.GRPC_SERVICE}/Check")
        for asked in (request(key=AGENT_KEY), request(), request("nowhere")):
            await check(check_request(asked))
        await check(b"\xff" * 64)
    events = list(search(tmp_path / "audit", Question()))
    assert [(event["event"], event["reason"]) for event in events] == [
        ("request.refused", reason) for reason in ("credential-missing", "route-unknown", "internal-error")
    ]
    assert verify(lines(tmp_path / "audit", "ext_authz")).breaks == []


async def test_a_worker_that_ends_has_written_which_keys_were_used(valkey: Valkey, tmp_path: Path) -> None:
    key, parsed = api_key.mint()
    record = api_key.KeyRecord(id=parsed.id, hash=Peppers().seal(key), user="bob", created_at="2026-01-01T00:00:00Z")
    operator = connect(valkey.url)
    await operator.hset(api_key.redis_key("support"), parsed.id, record.model_dump_json())
    before = int(time.time())
    async with worker(valkey.url, tmp_path) as opened:
        stub = external_auth_pb2_grpc.AuthorizationStub(opened)
        await stub.Check(external_auth_pb2.CheckRequest.FromString(check_request(request("any", key=key))))
    used = await operator.hget(api_key.uses_key("support"), parsed.id)
    await operator.aclose(close_connection_pool=True)
    assert before <= int(used) <= time.time()


async def test_a_worker_answers_envoys_own_client_for_keys_in_redis_static_keys_and_tokens(
    channel: grpc.aio.Channel, valkey: Valkey
) -> None:
    stub = external_auth_pb2_grpc.AuthorizationStub(channel)
    key, parsed = api_key.mint()
    record = api_key.KeyRecord(
        id=parsed.id, hash=Peppers([PEPPER]).seal(key), user="bob", roles=("admin",), created_at="2026-01-01T00:00:00Z"
    )
    operator = connect(valkey.url)
    await operator.hset(api_key.redis_key("support"), parsed.id, record.model_dump_json())
    await operator.aclose(close_connection_pool=True)

    async def status(asked: Request) -> int:
        message = external_auth_pb2.CheckRequest.FromString(check_request(asked))
        response = await stub.Check(message)
        return response.denied_response.status.code or 200

    token = bearer(claims(iat=time.time(), exp=time.time() + 60))
    assert await status(request(key=key)) == 200
    assert await status(request(key=AGENT_KEY)) == 200
    assert await status(request(authorization=token)) == 200
    assert await status(request("customer", path="/customers/7", key=key)) == 200
    assert await status(request("customer", path="/customers/7", key=AGENT_KEY)) == 403
    assert await status(request(key=api_key.mint()[0])) == 401
    assert await status(request(revision="other", key=key)) == 503
    valkey.kill()
    assert await status(request(key=api_key.mint()[0])) == 503
    assert await status(request(key=AGENT_KEY)) == 200
    assert await status(request(authorization=token)) == 200  # by the last denylist


async def test_bytes_that_are_no_check_request_are_denied_over_grpc_too(channel: grpc.aio.Channel) -> None:
    raw = await channel.unary_unary(f"/{envoy_api.GRPC_SERVICE}/Check")(b"\xff" * 64)
    assert external_auth_pb2.CheckResponse.FromString(raw).denied_response.status.code == 503
