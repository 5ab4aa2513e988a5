"""Decides calls by the files in force, on the same stores as every other limit."""

from collections.abc import Sequence
from typing import Protocol

from ratelimit_svc import telemetry
from ratelimit_svc.compat import engine
from ratelimit_svc.compat.config import Config
from ratelimit_svc.compat.engine import Asked, Decision
from ratelimit_svc.compat.telemetry import UNKNOWN_DOMAINS, RuleHits
from ratelimit_svc.rules import NotLoaded
from ratelimit_svc.store import Store, StoreUnavailableError, Verdict


class Configs(Protocol):
    """Where the configuration is found: ``serving.policies.FilesBook`` in the service."""

    @property
    def current(self) -> Config | None:
        """The configuration in force."""


class CompatLimiter:
    """The whole decision on a call, apart from its wire format.

    While ``store`` is away the ``fallback`` decides; without one StoreUnavailableError goes up, as the reference's
    error does, and Envoy's failure mode decides. ``shadow``: every call is let through, and counted all the same.
    """

    def __init__(self, configs: Configs, store: Store, fallback: Store | None = None, *, shadow: bool = False) -> None:
        self._configs, self._store, self._fallback, self._shadow = configs, store, fallback, shadow
        self._hits = RuleHits()

    async def decide(self, domain: str, asked: Sequence[Asked]) -> tuple[Decision, bool]:
        """The decision on a call, and whether the fallback made it. Raises rules.Mistake, StoreUnavailableError."""
        config = self._configs.current
        if config is None:
            raise NotLoaded("unknown_revision", "no configuration is loaded")
        counted = engine.select(config, domain, asked)
        if domain not in config.domains:
            UNKNOWN_DOMAINS.inc()
        charges, fell_back = engine.charges(counted), False
        verdict = Verdict(allowed=True, now_ms=0, readings=())
        if charges:
            try:
                verdict = await self._store.decide(charges)
            except StoreUnavailableError:
                telemetry.FALLBACKS.labels("deny" if self._fallback is None else "allow").inc()
                if self._fallback is None:
                    raise
                verdict, fell_back = await self._fallback.decide(charges), True
        decision = engine.conclude(counted, charges, verdict, shadow=self._shadow)
        self._hits.count(decision)
        return decision, fell_back
