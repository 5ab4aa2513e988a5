"""Both services in this process, with somebody who watches what they decide.

The servicers, engines, authenticators and counting are the services' own. Only Redis is missing: counters are the
limiter's local ones, API keys are those of the policy, and no token is revoked.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc.aio

from ext_authz import policy as authz
from ext_authz.authenticators import table
from ext_authz.authenticators.certificate import CertificateAuthenticator
from ext_authz.denylists import NothingRevoked
from ext_authz.engine import Request
from ext_authz.identity_token import IdentityKeys, IdentityTokens
from ext_authz.jwks import follow_jwks
from ext_authz.keyset import KeySet
from ext_authz.keyset import connect as key_store
from ext_authz.server import Authorization, Watch
from gatectl.rehearsal.exceptions import AsRead
from gatectl.rehearsal.place import service_socket
from gatectl.render.filters import ext_authz, ratelimit
from ratelimit_svc import envoy_api
from ratelimit_svc import policy as limits
from ratelimit_svc.engine import Decision
from ratelimit_svc.limiter import Limiter
from ratelimit_svc.local_store import LocalStore
from ratelimit_svc.rules import Descriptor, Exceptions, Policies
from ratelimit_svc.server import RateLimitService
from ratelimit_svc.store import Charge, Verdict
from serving.policies import PolicyBook

CAPACITY = 100_000
"""Counters kept at once."""


class AssumedCertificate(CertificateAuthenticator):
    """Judges the certificate that the caller is assumed to have as one that TLS has verified: there is no TLS here."""

    def __init__(self) -> None:
        super().__init__()
        self.principal = ""

    def find(self, policy: authz.Policy, request: Request) -> Sequence[str]:
        """As if Envoy had told of it."""
        return super().find(policy, request._replace(principal=self.principal))


class Counters:
    """The limiter's store: local counters that start over, and whose clock stands still in between.

    So what a test repeats does not depend on when it runs: no window ends in the middle.
    """

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Forget everything, and take the time anew."""
        now_ms = time.time_ns() // 1_000_000
        self._store = LocalStore(CAPACITY, lambda: now_ms)

    async def decide(self, charges: Sequence[Charge]) -> Verdict:
        """As every store does."""
        return await self._store.decide(charges)


class WatchedLimiter(Limiter):
    """Keeps the descriptors that came last, and what was decided on them; None when it could not be."""

    asked: tuple[Descriptor, ...] = ()
    decision: Decision | None = None

    def __init__(self, policies: Policies, counters: Counters, exceptions: Exceptions) -> None:
        super().__init__(policies, counters, counters, exceptions=exceptions)
        self.counters = counters

    async def decide(self, domain: str, descriptors: Sequence[Descriptor]) -> Decision:
        """As every limiter does. What became of a request is told later, and is no request."""
        if any(key in limits.ENDED for descriptor in descriptors for key, _ in descriptor.entries):
            return await super().decide(domain, descriptors)
        self.asked, self.decision = tuple(descriptors), None
        self.decision = await super().decide(domain, descriptors)
        return self.decision

    def forget(self) -> None:
        """Before the next request."""
        self.asked, self.decision = (), None


@contextlib.asynccontextmanager
async def run_services(
    directory: Path,
    state_dir: Path,
    policies: dict[str, bytes],
    watch: Watch,
    certificate: AssumedCertificate,
    overrides: AsRead,
) -> AsyncIterator[WatchedLimiter]:
    """Serve on unix sockets in ``directory``, obeying ``policies`` (file name → content), until the block ends.

    Files of issuers' keys count from ``state_dir``, as they do for a gateway that runs there.
    """
    for name in ("ext_authz", "ratelimit_svc"):
        logging.getLogger(name).addHandler(logging.NullHandler())  # what they decide is told by the rehearsal
    current = directory / "current"
    current.mkdir()
    for name, content in policies.items():
        (current / name).write_bytes(content)
    access = PolicyBook(directory, "authz.json", authz.load)
    counting = PolicyBook(directory, "limits.json", limits.load)
    for book in (access, counting):
        book.refresh()
    async with contextlib.AsyncExitStack() as stack:
        redis = key_store(f"unix://{directory}/no-redis.sock")
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        sources = await stack.enter_async_context(follow_jwks(state_dir, access))
        authenticators = tuple(
            certificate if one.method == certificate.method else one
            for one in table(KeySet(redis), sources, NothingRevoked())
        )
        limiter = WatchedLimiter(counting, Counters(), overrides)
        service = RateLimitService(limiter)
        for cluster in (ext_authz.CLUSTER, ratelimit.CLUSTER):
            server = grpc.aio.server()
            if cluster == ext_authz.CLUSTER:
                Authorization(access, authenticators, watch, IdentityTokens(IdentityKeys.throw_away())).register(server)
            else:
                server.add_generic_rpc_handlers((envoy_api.handler(service.should_rate_limit),))
            server.add_insecure_port(f"unix:{service_socket(directory, cluster)}")
            await server.start()
            stack.push_async_callback(server.stop, None)
        yield limiter
