"""The gRPC service ``envoy.service.auth.v3.Authorization``, and what one worker process needs to run it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import grpc.aio

from audit.trail import Trail
from audit.writer import Writer
from ext_authz import engine, envoy_api, policy, reasons, telemetry
from ext_authz.api_key import Peppers
from ext_authz.authenticators import table
from ext_authz.denylists import follow_denylists
from ext_authz.engine import Authenticator, Case, Decision, Request
from ext_authz.identity import Identity, Outcome, Refusal
from ext_authz.identity_token import IdentityKeys, IdentityTokens, follow_keys
from ext_authz.jwks import follow_jwks
from ext_authz.key_uses import follow_uses
from ext_authz.keyset import KeySet, connect
from ext_authz.policy import Policy
from ext_authz.shared_failures import share_failures
from ext_authz.throttle import Throttle
from serving.policies import PolicyBook
from serving.settings import Values, audit_files
from serving.worker import Register, Worker

log = logging.getLogger(__name__)

Watch = Callable[[Request, Case | Decision, Decision], None]
"""Is told of each decision, with what the request was decided as: its case, or the refusal before it became one."""


class Authorization:
    """Answers Checks: bytes of a CheckRequest in, bytes of a CheckResponse out."""

    def __init__(
        self,
        policies: PolicyBook[Policy],
        authenticators: Sequence[Authenticator],
        watch: Watch | None = None,
        identity_tokens: IdentityTokens | None = None,
        trail: Trail | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self._policies = policies
        self._authenticators = authenticators
        self._watch = watch
        self._identity_tokens = identity_tokens or IdentityTokens(IdentityKeys(None))
        self._trail = trail
        self._throttle = throttle

    async def check(self, check_request: bytes, _context: object = None) -> bytes:
        """One Check. Whatever goes wrong, the answer is a denial."""
        started = time.perf_counter()
        request = envoy_api.UNREADABLE
        try:
            request = envoy_api.parse(check_request)
            decision = await self._decide(request)
            response = envoy_api.respond(decision, request)
        except Exception:
            log.exception("check failed", extra={"route": request.route, "request_id": request.request_id})
            decision = Decision(allow=False, reason=reasons.INTERNAL_ERROR)
            response = envoy_api.respond(decision, request)
        spent = time.perf_counter() - started
        telemetry.observe(decision, spent)
        event = telemetry.event(decision)
        if self._trail is not None and event is not None:
            self._trail.write(event, **telemetry.told(request, decision))
        if decision.delayed and self._throttle is not None:
            await self._throttle.delay(spent)
        return response

    async def _decide(self, request: Request) -> Decision:
        case = engine.examine(self._policies.get(request.revision), request, self._authenticators)
        decision = case if isinstance(case, Decision) else await self._judge(case)
        if self._watch is not None:
            self._watch(request, case, decision)
        return decision

    async def _judge(self, case: Case) -> Decision:
        throttle = self._throttle
        refusal = throttle.refuse(case, time.monotonic()) if throttle is not None else None
        if refusal is not None:
            return refusal
        outcomes = await self._authenticate(case)
        decision = self._identity_tokens.vouch(case.policy, engine.decide(case, outcomes), time.time())
        return throttle.weigh(case, outcomes, decision, time.monotonic()) if throttle is not None else decision

    async def _authenticate(self, case: Case) -> list[Outcome]:
        now, outcomes = time.time(), list[Outcome]()
        for authenticator, credential in case.presented:
            outcome = authenticator.authenticate(case.policy, case.request, credential, now)
            outcomes.append(outcome if isinstance(outcome, Identity | Refusal) else await outcome)
        return outcomes

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a server. Messages pass as bytes, so a request that cannot be parsed is denied too."""
        handler = grpc.unary_unary_rpc_method_handler(self.check)
        service = grpc.method_handlers_generic_handler(envoy_api.GRPC_SERVICE, {"Check": handler})
        server.add_generic_rpc_handlers((service,))


@asynccontextmanager
async def open_worker(values: Values, policies: PolicyBook[Policy]) -> AsyncIterator[Register]:
    """What one worker needs for as long as the block lasts: the audit trail, Redis, issuers' keys, denylists, our own
    signing keys.
    """
    async with AsyncExitStack() as stack:
        trail = Trail(Writer(writer="ext_authz", **audit_files(values)), telemetry.AUDIT_LOST.inc)
        stack.push_async_callback(asyncio.to_thread, trail.close)
        redis = connect(values["redis_url"])
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        sources = await stack.enter_async_context(follow_jwks(values["state_dir"], policies))
        denylists = await stack.enter_async_context(follow_denylists(redis, policies))
        throttle = await stack.enter_async_context(share_failures(redis, policies))
        uses = await stack.enter_async_context(follow_uses(redis))
        signing = await stack.enter_async_context(follow_keys(values["identity_key_file"]))
        keys = KeySet(redis, Peppers(values["pepper_file"] + values["pepper"]), uses)
        authenticators = table(keys, sources, denylists)
        yield Authorization(
            policies, authenticators, identity_tokens=IdentityTokens(signing), trail=trail, throttle=throttle
        ).register


WORKER = Worker(
    grpc_service=envoy_api.GRPC_SERVICE,
    policy_file="authz.json",
    load_policy=policy.load,
    opened=open_worker,
)
