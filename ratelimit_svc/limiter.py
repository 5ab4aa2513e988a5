"""Decides calls: finds the counters, asks the store, and falls back as the policy says when the store is away."""

from collections.abc import Sequence

from ratelimit_svc import engine, limit_metrics, rules, telemetry
from ratelimit_svc.adaptive.limits import AdaptiveLimits
from ratelimit_svc.engine import Decision
from ratelimit_svc.rules import Descriptor, Exceptions, NoExceptions, Policies
from ratelimit_svc.store import Store, StoreUnavailableError, Verdict


class Limiter:
    """The whole decision on a call, apart from its wire format.

    While ``store`` is away, a call is decided on the counters of ``fallback`` if every limit it is about says
    ``on_store_failure: allow``; if one says ``deny``, StoreUnavailableError goes up. Its gRPC error makes Envoy, which
    the compiler gave ``failure_mode_deny`` then, answer 503 (``status_on_error``): the client did nothing wrong, so
    429 with a time to come back would be a lie. What the end of a stream tells is kept either way: it lets nobody in.
    """

    def __init__(
        self,
        policies: Policies,
        store: Store,
        fallback: Store,
        adaptive: AdaptiveLimits | None = None,
        exceptions: Exceptions = NoExceptions(),
    ) -> None:
        self._policies, self._store, self._fallback, self._adaptive = policies, store, fallback, adaptive
        self._exceptions = exceptions

    async def decide(self, domain: str, descriptors: Sequence[Descriptor]) -> Decision:
        """The decision on a call. Raises rules.Mistake, StoreUnavailableError."""
        asks = rules.resolve(domain, descriptors, self._policies, self._exceptions)
        if self._adaptive is not None:
            asks = self._adaptive.hold_back(asks)
        charges = engine.charges(asks)
        fallback = False
        if not charges:
            verdict = Verdict(allowed=True, now_ms=0, readings=())
        else:
            try:
                verdict = await self._store.decide(charges)
            except StoreUnavailableError:
                told = all(charge.mode == "add" or (charge.mode == "give_back" and charge.lease) for charge in charges)
                deny = not told and any(ask.on_store_failure == "deny" for ask in asks if ask.counters)
                telemetry.FALLBACKS.labels("deny" if deny else "allow").inc()
                if deny:
                    raise
                verdict, fallback = await self._fallback.decide(charges), True
        decision = engine.conclude(asks, charges, verdict, fallback=fallback)
        if self._adaptive is not None:
            self._adaptive.learn(descriptors, decision)
        limit_metrics.count(asks, descriptors, decision)
        return decision
