"""The service that obeys configuration files of envoyproxy/ratelimit: ``ratelimit-svc --compat-config DIR``."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from audit.trail import Trail
from audit.writer import Writer
from ratelimit_svc import telemetry
from ratelimit_svc.compat import envoy_api, files
from ratelimit_svc.compat.config import Config
from ratelimit_svc.compat.limiter import CompatLimiter
from ratelimit_svc.compat.service import COMPAT_CONFIG
from ratelimit_svc.compat.telemetry import CONFIG_LOADS
from ratelimit_svc.counters import open_counters
from ratelimit_svc.envoy_api import SERVICE as GRPC_SERVICE
from ratelimit_svc.envoy_api import handler
from ratelimit_svc.server import AnsweringService
from serving.policies import FilesBook, PolicyBook
from serving.settings import Values, audit_files
from serving.worker import Register, Worker

log = logging.getLogger(__name__)

SHARED_BY = ":compat"
"""In place of a gateway: all processes that obey such files share their limits. No gateway can have this name."""


class CompatService(AnsweringService):
    """envoy.service.ratelimit.v3.RateLimitService as envoyproxy/ratelimit answers it."""

    def __init__(self, limiter: CompatLimiter, trail: Trail | None = None, *, headers: bool = False) -> None:
        super().__init__()
        self._limiter, self._trail, self._headers = limiter, trail, headers

    async def answer(self, request: Any) -> tuple[str, Any]:
        """The outcome, as telemetry calls it, and the RateLimitResponse. Raises as the limiter does."""
        decision, fell_back = await self._limiter.decide(request.domain, envoy_api.asked(request))
        outcome = "ok" if decision.allowed else "over_limit"
        if self._trail is not None and not decision.allowed:
            assert decision.limiting is not None
            told = {"limit": decision.limiting.rule.path, "retry_after": decision.limiting.reset_s}
            self._trail.write("request.limited", reason="rate-limited", status=429, **told)
        return f"fallback_{outcome}" if fell_back else outcome, envoy_api.response(decision, headers=self._headers)


def load(document: bytes, *, merge_domains: bool = False) -> Config:
    """The configuration of a ``FilesBook`` document. Raises files.ConfigError; warnings are logged."""
    loaded = files.load(json.loads(document), merge_domains=merge_domains)
    for warning in loaded.warnings:
        log.warning("a word of the configuration is not read", extra={"detail": str(warning)})
    return loaded.config


def _book(values: Values, _: Worker[Config]) -> FilesBook[Config]:
    """The files of the directory, followed."""

    def counted(document: bytes) -> Config:
        try:
            config = load(document, merge_domains=values["merge_domains"])
        except Exception:
            CONFIG_LOADS.labels("refused").inc()
            raise
        CONFIG_LOADS.labels("loaded").inc()
        return config

    return FilesBook(values[COMPAT_CONFIG.key], files.SUFFIXES, counted)


@contextlib.asynccontextmanager
async def open_worker(values: Values, configs: PolicyBook[Config]) -> AsyncIterator[Register]:
    """What one worker process needs: Redis, the fallback if it is wanted, the audit trail if it has a directory."""
    async with contextlib.AsyncExitStack() as stack:
        trail = None
        if values["audit_dir"] is not None:
            trail = Trail(Writer(writer="ratelimit_svc", **audit_files(values)), telemetry.AUDIT_LOST.inc)
            stack.push_async_callback(asyncio.to_thread, trail.close)
        counters = await stack.enter_async_context(open_counters(values, lambda: SHARED_BY))
        fallback = counters.fallback if values["when_redis_is_away"] == "allow" else None
        limiter = CompatLimiter(configs, counters.store, fallback, shadow=values["shadow_mode"])
        service = CompatService(limiter, trail, headers=values["response_headers"])
        yield lambda server: server.add_generic_rpc_handlers((handler(service.should_rate_limit),))


WORKER = Worker(
    grpc_service=GRPC_SERVICE,
    policy_file=f"*{files.SUFFIXES[0]}",
    load_policy=load,
    opened=open_worker,
    book=_book,
)
