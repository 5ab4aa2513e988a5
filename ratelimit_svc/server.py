"""The gRPC side: answers ShouldRateLimit, and opens what a worker process needs for it."""

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from audit.trail import Trail
from audit.writer import Writer
from ratelimit_svc import envoy_api, policy, telemetry
from ratelimit_svc.adaptive.limits import AdaptiveLimits, exchanging
from ratelimit_svc.adaptive.sharing import Levels
from ratelimit_svc.counters import open_counters
from ratelimit_svc.denied import DeniedFirst
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.policy import Policy
from ratelimit_svc.redis.overrides import FollowedOverrides
from ratelimit_svc.redis.refunds import Refunds
from ratelimit_svc.redis.refusals import Refusals
from ratelimit_svc.rules import Mistake, NotLoaded
from ratelimit_svc.store import StoreUnavailableError
from serving.policies import PolicyBook
from serving.settings import Values, audit_files
from serving.worker import Register, Worker

log = logging.getLogger(__name__)

COMPLAIN_SECONDS = 1.0
"""The same reason is logged at most this often: a misconfigured gateway sends it with every request."""


class AnsweringService(ABC):
    """envoy.service.ratelimit.v3.RateLimitService, however it decides.

    Whatever cannot be decided is a gRPC error, so that Envoy's failure mode decides; never OK and never UNKNOWN.
    """

    def __init__(self) -> None:
        self._complained: dict[str, float] = {}

    @abstractmethod
    async def answer(self, request: Any) -> tuple[str, Any]:
        """The outcome, as telemetry calls it, and the RateLimitResponse. Raises Mistake, StoreUnavailableError."""

    async def should_rate_limit(self, message: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> Any:
        """RateLimitRequest → RateLimitResponse, or INVALID_ARGUMENT (wrong call), UNAVAILABLE (cannot tell now)."""
        started = time.perf_counter()
        outcome = "error"
        try:
            outcome, response = await self.answer(envoy_api.request(message))
            return response
        except NotLoaded as error:
            self._complain(error)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except Mistake as error:
            self._complain(error)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except StoreUnavailableError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store is away")
        finally:
            telemetry.CALLS.labels(outcome).inc()
            telemetry.CALL_SECONDS.observe(time.perf_counter() - started)

    def _complain(self, mistake: Mistake) -> None:
        telemetry.MISTAKES.labels(mistake.reason).inc()
        now = time.monotonic()
        if now - self._complained.get(mistake.reason, -COMPLAIN_SECONDS) >= COMPLAIN_SECONDS:
            self._complained[mistake.reason] = now
            log.warning("a call cannot be decided", extra={"reason": mistake.reason, "detail": str(mistake)})


class RateLimitService(AnsweringService):
    """Answers by the limits of the gateway's policies."""

    def __init__(self, limiter: Limiter, trail: Trail | None = None, refusals: Refusals | None = None) -> None:
        super().__init__()
        self._limiter, self._trail, self._refusals = limiter, trail, refusals

    async def answer(self, request: Any) -> tuple[str, Any]:
        """As the limiter decides; a refusal is told to who watches, and goes to the audit trail."""
        asked = envoy_api.descriptors(request)
        decision = await self._limiter.decide(request.domain, asked)
        if self._refusals is not None and not decision.allowed:
            self._refusals.note(decision, asked)
        if self._trail is not None and not decision.allowed:
            self._trail.write("request.limited", **telemetry.refusal(decision, asked))
        return decision.outcome, envoy_api.response(decision)


@contextlib.asynccontextmanager
async def open_worker(values: Values, policies: PolicyBook[Policy]) -> AsyncIterator[Register]:
    """What one worker process needs: Redis, the fallback, the audit trail and the handler."""
    trail = Trail(Writer(writer="ratelimit_svc", **audit_files(values)), telemetry.AUDIT_LOST.inc)
    overrides, refusals = FollowedOverrides(), Refusals()
    try:
        async with (
            open_counters(
                values,
                lambda: policies.current.gateway if policies.current else None,
                lambda denied: [overrides, refusals, Refunds(denied)],
            ) as counters,
            exchanging(AdaptiveLimits(policies, Levels(counters.store))) as adaptive,
        ):
            store = DeniedFirst(counters.store, counters.denied)
            service = RateLimitService(
                Limiter(policies, store, counters.fallback, adaptive, overrides), trail, refusals
            )
            yield lambda server: server.add_generic_rpc_handlers((envoy_api.handler(service.should_rate_limit),))
    finally:
        await asyncio.to_thread(trail.close)


WORKER = Worker(
    grpc_service=envoy_api.SERVICE,
    policy_file="limits.json",
    load_policy=policy.load,
    opened=open_worker,
)
