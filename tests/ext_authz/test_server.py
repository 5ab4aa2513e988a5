import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from prometheus_client import REGISTRY

from ext_authz import api_key, envoy_api, policy
from ext_authz.engine import Request, Taken
from ext_authz.keyset import connect
from ext_authz.server import SERVICE, Authorization, open_worker
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


async def test_every_refusal_writes_one_audit_line_without_the_credential(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    book: Any = Book()
    service = Authorization(book, without_redis(tmp_path))
    wrong, token = AGENT_KEY[:-1] + "?", bearer(claims(exp=1))
    refused = [
        (request(key=wrong, path=f"/tickets?key={AGENT_KEY}"), ("key-invalid", None, None)),
        (request(authorization=token), ("token-expired", "alice", None)),
        (request(key=CUSTOMER_KEY), ("access-denied", "42", "shop")),
        (request(), ("credential-missing", None, None)),
        (request(revision="r9"), ("revision-not-loaded", None, None)),
    ]
    monkeypatch.setattr(logging.getLogger(), "level", logging.CRITICAL)  # the audit has a level of its own
    for asked, *_ in refused:
        await service.check(check_request(asked))
    await service.check(check_request(request(key=AGENT_KEY)))
    lines = [json.loads(JsonFormatter().format(r)) for r in caplog.records if r.name == "ext_authz.audit"]
    assert [(line["reason"], line["user"], line["key_id"]) for line in lines] == [told for _, told in refused]
    for line in lines:
        assert (line["address"], line["request_id"], line["http_method"]) == ("192.0.2.7", "request-1", "GET")
        assert line["route"] == "tickets"
        assert line["revision"] in {"r1", "r9"}
    text = json.dumps(lines)
    for secret in (AGENT_KEY, CUSTOMER_KEY, wrong, token.removeprefix("Bearer "), "?key="):
        assert secret not in text


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


async def test_a_shadow_rule_that_would_refuse_is_counted_and_on_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deny = policy.Rule(effect="deny", enforce=False, methods=("POST",))
    route = policy.Route(rules=(policy.Rule(), deny))

    class Shadowed:
        def get(self, revision: str) -> policy.Policy:
            return POLICY.model_copy(update={"routes": {"any": route}})

    book: Any = Shadowed()
    service = Authorization(book, without_redis(tmp_path))

    def count() -> float:
        labels = {"outcome": "allow", "shadow": "deny"}
        return REGISTRY.get_sample_value("ext_authz_shadow_decisions_total", labels) or 0

    before = count()
    with caplog.at_level("INFO", logger="ext_authz.audit"):
        for method in ("GET", "POST"):
            await service.check(check_request(request("any", method=method, key=AGENT_KEY)))
    assert count() == before + 1
    (line,) = [vars(record) for record in caplog.records if record.name == "ext_authz.audit"]
    assert (line["msg"], line["http_method"]) == ("request allowed", "POST")
    assert (line["shadow"], line["shadow_rules"], line["user"]) == ("deny", [2], "alice")


@pytest.fixture
async def channel(valkey: Valkey, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "authz.json").write_text(POLICY.model_dump_json())
    (tmp_path / "jwks.json").write_bytes(KEY_SET)
    book = PolicyBook(tmp_path, SERVICE.policy_file, SERVICE.load_policy)
    book.refresh()
    server = grpc.aio.server()
    async with open_worker(Values(redis_url=valkey.url, state_dir=tmp_path), book) as register:
        register(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            yield opened
        await server.stop(None)


async def test_a_worker_answers_envoys_own_client_for_keys_in_redis_static_keys_and_tokens(
    channel: grpc.aio.Channel, valkey: Valkey
) -> None:
    stub = external_auth_pb2_grpc.AuthorizationStub(channel)
    key, parsed = api_key.mint()
    record = api_key.KeyRecord(
        id=parsed.id, sha256=parsed.sha256, user="bob", roles=("admin",), created_at="2026-01-01T00:00:00Z"
    )
    operator = connect(valkey.url)
    await operator.hset(api_key.redis_key("support"), parsed.id, record.model_dump_json())
    await operator.aclose(close_connection_pool=True)

    async def status(asked: Request) -> int:
        message = external_auth_pb2.CheckRequest.FromString(check_request(asked))
        response = await stub.Check(message)
        return response.denied_response.status.code or 200

    token = bearer(claims(exp=time.time() + 60))
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


async def test_bytes_that_are_no_check_request_are_denied_over_grpc_too(channel: grpc.aio.Channel) -> None:
    raw = await channel.unary_unary(f"/{envoy_api.GRPC_SERVICE}/Check")(b"\xff" * 64)
    assert external_auth_pb2.CheckResponse.FromString(raw).denied_response.status.code == 503
