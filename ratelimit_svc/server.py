"""The gRPC side: answers ShouldRateLimit, and opens what a worker process needs for it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from audit.trail import Trail
from audit.writer import Writer
from ratelimit_svc import envoy_api, policy, telemetry
from ratelimit_svc.adaptive.limits import AdaptiveLimits, exchanging
from ratelimit_svc.adaptive.sharing import Levels
from ratelimit_svc.denied import Denied, DeniedFirst
from ratelimit_svc.fallback import Fallback
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.policy import Policy
from ratelimit_svc.redis import longest_denial_ms, open_store
from ratelimit_svc.redis.poll import polled
from ratelimit_svc.redis.processes import Processes
from ratelimit_svc.rules import Mistake, NotLoaded
from ratelimit_svc.settings import SETTINGS
from ratelimit_svc.store import StoreUnavailableError
from serving import redis_location
from serving.policies import PolicyBook
from serving.service import Register, Service
from serving.settings import Values

log = logging.getLogger(__name__)

COMPLAIN_SECONDS = 1.0
"""The same reason is logged at most this often: a misconfigured gateway sends it with every request."""


class RateLimitService:
    """envoy.service.ratelimit.v3.RateLimitService.

    Whatever cannot be decided is a gRPC error, so that Envoy's failure mode decides; never OK and never UNKNOWN.
    """

    def __init__(self, limiter: Limiter, trail: Trail | None = None) -> None:
        self._limiter, self._trail = limiter, trail
        self._complained: dict[str, float] = {}

    async def should_rate_limit(self, request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Any:
        """RateLimitRequest → RateLimitResponse, or INVALID_ARGUMENT (wrong call), UNAVAILABLE (cannot tell now)."""
        started = time.perf_counter()
        outcome = "error"
        try:
            asked = envoy_api.descriptors(request)
            decision = await self._limiter.decide(request.domain, asked)
            outcome = decision.outcome
            if self._trail is not None and not decision.allowed:
                self._trail.write("request.limited", **telemetry.refusal(decision, asked))
            return envoy_api.response(decision)
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


@contextlib.asynccontextmanager
async def open_worker(values: Values, policies: PolicyBook[Policy]) -> AsyncIterator[Register]:
    """What one worker process needs: Redis, the fallback, the audit trail and the handler."""
    directory = values["audit_dir"] or values["state_dir"] / "audit"
    writer = Writer(directory, "ratelimit_svc", max_bytes=values["audit_max_mib"] << 20, keep=values["audit_keep"])
    trail = Trail(writer, telemetry.AUDIT_LOST.inc)
    location, capacity = redis_location.parse(values["redis_url"]), values["fallback_counters"]
    denied = Denied(values["denied_calls"], _monotonic_ms, longest_denial_ms(location))
    processes = Processes(values["workers"], denied.forget)
    fallback = Fallback(LocalStore(capacity), capacity, lambda: processes.count)
    store = open_store(location, values["store_deadline"], fallback, denied.forget)
    await store.start()
    try:
        adaptive = AdaptiveLimits(policies, Levels(store))
        async with (
            polled(store, lambda: policies.current.gateway if policies.current else None, [processes]),
            exchanging(adaptive),
        ):
            service = RateLimitService(Limiter(policies, DeniedFirst(store, denied), fallback, adaptive), trail)
            yield lambda server: server.add_generic_rpc_handlers((envoy_api.handler(service.should_rate_limit),))
    finally:
        await store.close()
        await asyncio.to_thread(trail.close)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


SERVICE = Service(
    name="ratelimit_svc",
    grpc_service=envoy_api.SERVICE,
    policy_file="limits.json",
    load_policy=policy.load,
    worker=open_worker,
    settings=SETTINGS,
)
