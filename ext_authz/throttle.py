"""Throttling of failed authentications: first they are answered late, then nothing unknown is looked at any more.

A failure is a credential that nobody proved to be the holder of, and that this process has not accepted before: one
that it has is no guess, whatever became of its record. It counts for the client's address (IPv6: its /64) and for the
id of the API key that it claims to be. Every table has a stated size; the oldest entry goes first. Other replicas are
told, and heard, through :mod:`ext_authz.shared_failures`; what is known here needs nobody.

- An address that is blocked gets 429 for every credential that this process has not accepted before. One that it
  has, it judges as ever: so good clients behind the same address do not suffer, and a revocation holds. A request
  without a credential is no attempt.
- A key id that is blocked gets 429 instead of 401 for a wrong secret, from whichever address. The secret is always
  compared first, so whoever knows an id can never lock out the holder of its key.
"""

import asyncio
import ipaddress
import math
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from ext_authz import api_key, reasons, telemetry
from ext_authz.engine import Case, Decision, Presented
from ext_authz.identity import Identity, Outcome, Refusal
from ext_authz.lru import Lru
from ext_authz.policy import Throttling

COUNTED_CAPACITY = 20_000
"""Addresses whose failures are counted at once, and as many key ids; about 200 bytes each."""
BLOCKED_CAPACITY = 10_000
"""Blocked addresses, and as many key ids. Apart from the counted ones: rotating addresses push no block out."""
ACCEPTED_CAPACITY = 20_000
"""Credentials remembered as accepted, by a keyed hash."""
REPORT_CAPACITY = 2_000
"""Subjects in one report to the other replicas, and as many again that are blocked; further ones count here only."""
DELAY_SECONDS = 0.5
"""How late a slowed answer is. Must stay below Envoy's timeout for the Check."""
DELAYED_CAPACITY = 100
"""Answers held back at once; beyond that the answer is 429 at once, so that waiting costs us no more than that."""

ADDRESS, KEY = "address", "key"


class Failures:
    """Failures of one kind of subject: counted within a window, blocked for a time. Times in monotonic seconds."""

    def __init__(self) -> None:
        self.counts: Lru[str, tuple[int, float]] = Lru(COUNTED_CAPACITY)
        """How many, and since when."""
        self.blocks: OrderedDict[str, float] = OrderedDict()
        """Until when, oldest first."""

    def blocked_for(self, subject: str, now: float) -> float:
        """Seconds that a block still lasts; 0 without one."""
        until = self.blocks.get(subject)
        if until is None:
            return 0
        if until <= now:
            del self.blocks[subject]
            return 0
        return until - now

    def block(self, subject: str, until: float) -> None:
        """Block a subject, and begin to count anew when that is over."""
        self.counts.discard(subject)
        self.blocks[subject] = until
        self.blocks.move_to_end(subject)
        if len(self.blocks) > BLOCKED_CAPACITY:
            self.blocks.popitem(last=False)

    def add(self, subject: str, limits: Throttling, now: float) -> int:
        """One failure more; how many there are in this window."""
        count, since = self.counts.get(subject) or (0, now)
        if now - since >= limits.window_ms / 1000:
            count, since = 0, now
        self.counts.put(subject, (count + 1, since))
        return count + 1

    def raise_to(self, subject: str, count: int, now: float) -> None:
        """All replicas together have seen ``count``."""
        known, since = self.counts.get(subject) or (0, now)
        if count > known and subject not in self.blocks:
            self.counts.put(subject, (count, since))

    def forget_ended(self, now: float) -> None:
        """Drop blocks that are over, from the oldest on."""
        while self.blocks and next(iter(self.blocks.values())) <= now:
            self.blocks.popitem(last=False)


class Throttle:
    """What one process knows of failures, and how it answers. Clocks are arguments: monotonic seconds."""

    def __init__(self) -> None:
        self.failures = {ADDRESS: Failures(), KEY: Failures()}
        self.report: dict[tuple[str, str], int] = {}
        """Failures by kind and subject that the other replicas do not know of yet."""
        self.delayed = 0
        self._accepted: Lru[bytes, bool] = Lru(ACCEPTED_CAPACITY)
        self._salt = secrets.token_bytes(16)

    def refuse(self, case: Case, now: float) -> Decision | None:
        """The refusal of a request from a blocked address, before anybody looks at its credentials; None: judge it."""
        limits, blocked = case.policy.throttling, self.failures[ADDRESS]
        if limits is None or not blocked.blocks:
            return None
        subject = subject_of(case.request.address, limits.exempt)
        seconds = blocked.blocked_for(subject, now) if subject is not None else 0
        if not seconds or all(one.authenticator.ambient or self._knows(one) for one in case.presented):
            return None
        return _refusal(Decision(allow=False, reason=reasons.TOO_MANY_FAILURES), ADDRESS, seconds)

    def weigh(self, case: Case, outcomes: Sequence[Outcome], decision: Decision, now: float) -> Decision:
        """What a decision becomes when its failures are counted: itself, itself but later, or 429."""
        limits = case.policy.throttling
        if limits is None:
            return decision
        slow, blocked = False, 0.0
        for presented, outcome in zip(case.presented, outcomes, strict=True):
            if presented.authenticator.ambient:
                continue
            if isinstance(outcome, Identity):
                self._accepted.put(self._fingerprint(presented), True)
            elif _is_failure(outcome) and not self._knows(presented):
                claimed = api_key.parse(presented.credential)
                if claimed is not None:
                    blocked = max(blocked, self.failures[KEY].blocked_for(claimed.id, now))
                    slow |= not blocked and self._count(KEY, claimed.id, limits, now) > limits.slow_after
                subject = subject_of(case.request.address, limits.exempt)
                if subject is not None:
                    slow |= self._count(ADDRESS, subject, limits, now) > limits.slow_after
        if blocked:
            return _refusal(decision, KEY, blocked)
        if not slow:
            return decision
        if self.delayed >= DELAYED_CAPACITY:
            return _refusal(decision, "crowd", 1)
        telemetry.THROTTLED.labels("slowed").inc()
        return decision._replace(delayed=True)

    async def delay(self) -> None:
        """Hold an answer back."""
        self.delayed += 1
        telemetry.DELAYED.set(self.delayed)
        try:
            await asyncio.sleep(DELAY_SECONDS)
        finally:
            self.delayed -= 1
            telemetry.DELAYED.set(self.delayed)

    def take_report(self) -> dict[tuple[str, str], int]:
        """The failures to tell the other replicas of; from now on they are told."""
        report, self.report = self.report, {}
        return report

    def give_back(self, report: Mapping[tuple[str, str], int]) -> None:
        """A report did not get through: tell it with the next one."""
        for subject, count in report.items():
            self._tell(subject, count, 2 * REPORT_CAPACITY)

    def learn(
        self,
        counts: Mapping[tuple[str, str], int],
        blocks: Mapping[tuple[str, str], float],
        now: float,
    ) -> None:
        """What all replicas together have counted, and for how many seconds they block."""
        for (kind, subject), count in counts.items():
            self.failures[kind].raise_to(subject, count, now)
        for (kind, subject), seconds in blocks.items():
            self.failures[kind].block(subject, now + seconds)
        for kind, failures in self.failures.items():
            failures.forget_ended(now)
            telemetry.BLOCKED.labels(kind).set(len(failures.blocks))

    def _count(self, kind: str, subject: str, limits: Throttling, now: float) -> int:
        """Count a failure, here at once and with the next report for all."""
        failures = self.failures[kind]
        count = failures.add(subject, limits, now)
        if count >= limits.refuse_after:
            failures.block(subject, now + limits.block_ms / 1000)
            # whatever the others have seen of it: they block it, too
            self._tell((kind, subject), limits.refuse_after, 2 * REPORT_CAPACITY)
        else:
            self._tell((kind, subject), 1, REPORT_CAPACITY)
        return count

    def _tell(self, subject: tuple[str, str], count: int, capacity: int) -> None:
        if subject in self.report or len(self.report) < capacity:
            self.report[subject] = self.report.get(subject, 0) + count

    def _knows(self, presented: Presented) -> bool:
        return self._accepted.get(self._fingerprint(presented)) is not None

    def _fingerprint(self, presented: Presented) -> bytes:
        """Stands for a credential, in this process only: the salt never leaves it."""
        text = f"{presented.authenticator.method} {presented.credential}"
        return blake2b(text.encode(errors="surrogatepass"), key=self._salt, digest_size=16).digest()


@lru_cache(maxsize=COUNTED_CAPACITY)
def subject_of(address: str, exempt: tuple[str, ...]) -> str | None:
    """What failures from an address count for: the address, or the /64 of an IPv6 one, which is one customer's.

    None when it is exempt, and for what is no address: strangers whom nobody can tell apart are not lumped together.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in _networks(exempt)):
        return None
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


@lru_cache(maxsize=16)
def _networks(texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def _is_failure(outcome: Outcome) -> bool:
    """Whether nobody was proved to be the holder: an expired token or a revoked key is no guess, 503 is our fault."""
    return isinstance(outcome, Refusal) and outcome.identity is None and outcome.reason.status == 401


def _refusal(decision: Decision, stage: str, seconds: float) -> Decision:
    telemetry.THROTTLED.labels(stage).inc()
    return decision._replace(
        reason=reasons.TOO_MANY_FAILURES, identity=None, challenge=None, retry_after=math.ceil(seconds)
    )
