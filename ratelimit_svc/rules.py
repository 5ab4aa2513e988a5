"""Which counters a descriptor is about. Pure: the descriptor contract of ``policy`` and nothing else."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from ratelimit_svc.keys import ADDRESS, counted_network, counter_keys, is_within
from ratelimit_svc.policy import (
    ABSENT,
    BYTES_KEY,
    ENDED,
    HEADER,
    LEASE_KEY,
    LIMIT_KEY,
    MAX_DESCRIPTORS,
    REVISION_KEY,
    SHARED,
    STATUS_KEY,
    Limit,
    OnStoreFailure,
    Policy,
    Rate,
    ResponseCost,
    fault_of,
)
from ratelimit_svc.store import Mode, Terms

LONGEST_LEASE = 128
"""Characters: the store keeps the name of every request under way."""
MAX_HITS = 2**54
"""Larger addends are cut to this: above every ``Rate.requests``, so refused, and exact in Lua's doubles."""


class Mistake(Exception):  # noqa: N818 - it is the caller's mistake, and the name of the concept
    """A call that cannot be decided. ``reason`` is one word of a fixed set; no value of a descriptor is repeated."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotLoaded(Mistake):
    """The call may be right, but the policy that could tell is not here (yet)."""


class Descriptor(NamedTuple):
    """One descriptor of a call.

    ``hits`` are those it adds (0 only looks, without charging), ``override`` is held to instead of the limit's own
    rates, ``give_back`` takes the hits off again.
    """

    entries: tuple[tuple[str, str], ...]
    hits: int
    override: Rate | None = None
    give_back: bool = False


class Counter(NamedTuple):
    """One rate of a limit for one value of the dimensions it counts by; ``key`` names it in the store."""

    key: str
    terms: Terms


class Ask(NamedTuple):
    """What a descriptor asks: ``hits`` of each of ``counters``, which are all of one limit.

    No counters: no limit applies to this descriptor.
    """

    name: str
    counters: tuple[Counter, ...]
    hits: int
    mode: Mode = "take"
    lease: str = ""
    on_store_failure: OnStoreFailure = "allow"
    detailed: bool = False


class Policies(Protocol):
    """Where policies are found: ``serving.policies.PolicyBook`` in the service."""

    @property
    def current(self) -> Policy | None:
        """The policy in force."""

    def get(self, revision: str, /) -> Policy | None:
        """The policy of a revision, None when it is not loaded."""


class Exceptions(Protocol):
    """What holds for single users: ``ratelimit_svc.redis.overrides`` in the service."""

    def rates(self, name: str, limit: Limit, caller: str, /) -> Sequence[Rate] | None:
        """The rates that hold for a value of the dimension ``user`` instead of the limit's; None: there are none."""

    def epoch(self, name: str, caller: str, /) -> str:
        """What tells the caller's counters from earlier ones; empty: nothing."""


class NoExceptions:
    """Everybody is held to the limits as they are."""

    def rates(self, _name: str, _limit: Limit, _caller: str) -> Sequence[Rate] | None:
        """None."""
        return None

    def epoch(self, _name: str, _caller: str) -> str:
        """Nothing."""
        return ""


_NONE = NoExceptions()


def check_call(domain: str, descriptors: Sequence[object]) -> None:
    """Raises Mistake for a call without domain or descriptors, or with too many."""
    if not domain:
        raise Mistake("no_domain", "the domain must not be empty")
    if not descriptors:
        raise Mistake("no_descriptors", "a call must carry a descriptor")
    if len(descriptors) > MAX_DESCRIPTORS:
        raise Mistake("too_many_descriptors", f"a call may carry at most {MAX_DESCRIPTORS} descriptors")


def resolve(
    domain: str, descriptors: Sequence[Descriptor], policies: Policies, exceptions: Exceptions = _NONE
) -> list[Ask]:
    """What each descriptor of a call asks, in order.

    Raises Mistake for a call that is wrong as a whole (:func:`check_call`), or has a descriptor that fits no limit.
    """
    check_call(domain, descriptors)
    return [ask_of(domain, descriptor, policies, exceptions) for descriptor in descriptors]


def ask_of(domain: str, descriptor: Descriptor, policies: Policies, exceptions: Exceptions = _NONE) -> Ask:
    """What one descriptor asks.

    An empty descriptor is what Envoy sends when a descriptor extension failed on one it was told to skip: it names
    no limit. Everything else must follow the contract in ``policy``, or it is a Mistake.
    """
    entries = descriptor.entries
    if not entries:
        return Ask(ABSENT, (), descriptor.hits)
    if len(entries) < 2 or entries[0][0] != LIMIT_KEY or entries[1][0] != REVISION_KEY:
        raise Mistake("malformed", f"a descriptor starts with the entries {LIMIT_KEY} and {REVISION_KEY}")
    name = entries[0][1]
    policy, limit = _limit(domain, name, entries[1][1], policies)
    values: dict[str, str] = {}
    for dimension, value in entries[2:]:
        if values.setdefault(dimension, value) != value:
            raise Mistake("malformed", "a descriptor gives one dimension two values")
    lease = values.pop(LEASE_KEY, "")
    ended = {key: values.pop(key) for key in ENDED if key in values}
    for dimension in limit.dimensions:
        if dimension.startswith(HEADER):  # Envoy leaves out the entry of a header that is not there
            values.setdefault(dimension, ABSENT)
    if values.keys() != set(limit.dimensions):
        raise Mistake("malformed", "a descriptor has exactly the dimensions of its limit")
    if not _is_about(limit, values):
        return Ask(name, (), descriptor.hits)
    hits, mode = _charged(descriptor, limit, ended)
    if descriptor.override is not None:
        rates: Sequence[Rate] = (_override(limit, descriptor.override),)
    else:
        rates = rates_of(name, limit, values, exceptions)
    if mode in {"add", "give_back"} and hits == 0:
        return Ask(name, (), 0)
    if limit.algorithm == "concurrency" and (lease in {"", ABSENT} or len(lease) > LONGEST_LEASE):
        raise Mistake("malformed", "a limit of requests at a time has to know which request it is")
    counted = {dimension: _counted(dimension, values[dimension], policy) for dimension in limit.per}
    epoch = exceptions.epoch(name, values["user"]) if "user" in limit.per else ""
    keys = counter_keys(policy.gateway, name, limit.algorithm, rates, counted, epoch)
    counters = tuple(Counter(key, terms(limit, rate)) for key, rate in zip(keys, rates, strict=True))
    return Ask(name, counters, min(hits, MAX_HITS), mode, lease, policy.on_store_failure, limit.detailed)


def _limit(domain: str, name: str, revision: str, policies: Policies) -> tuple[Policy, Limit]:
    """A limit by name, from its revision, or from the one in force when that revision is not loaded."""
    policy = policies.get(revision)
    if policy is not None:
        if policy.gateway != domain:
            raise Mistake("unknown_domain", "the domain is not the gateway that the revision is of")
        if name not in policy.limits:
            raise Mistake("unknown_limit", "the revision has no limit of this name")
        return policy, policy.limits[name]
    current = policies.current
    if current is None or current.gateway != domain or name not in current.limits:
        raise NotLoaded("unknown_revision", "the revision is not loaded, and the one in force has no such limit")
    return current, current.limits[name]


def _is_about(limit: Limit, values: Mapping[str, str]) -> bool:
    """Whether a limit applies to a caller."""
    if any(not among(dimension, values[dimension], wanted) for dimension, wanted in limit.when.items()):
        return False
    if any(among(dimension, values[dimension], spared) for dimension, spared in limit.exempt.items()):
        return False
    return not any(values[each] == ABSENT and not each.startswith(SHARED) for each in limit.per)


def among(dimension: str, value: str, listed: Sequence[str]) -> bool:
    """Whether a value of a dimension is one of those listed: of an address, in one of the networks."""
    if dimension == "client_address":
        return is_within(value, listed)
    return value in listed


def _counted(dimension: str, value: str, policy: Policy) -> str:
    """The value as it is counted by: of an address its network."""
    if dimension == "client_address" or (dimension == "user" and value.startswith(ADDRESS)):
        return counted_network(value, policy.ipv4_prefix, policy.ipv6_prefix)
    return value


def _override(limit: Limit, rate: Rate) -> Rate:
    """A rate that came with a descriptor, if the limit can count by it."""
    if limit.algorithm in {"concurrency", "quota"} or fault_of(limit.algorithm, rate) is not None:
        raise Mistake("bad_override", "a limit that comes with a descriptor is one that its algorithm can count by")
    return rate


def _charged(descriptor: Descriptor, limit: Limit, ended: Mapping[str, str]) -> tuple[int, Mode]:
    """How many hits, and how they are charged."""
    if limit.algorithm == "concurrency":
        if ended or descriptor.give_back:
            return 1, "give_back"
        return min(descriptor.hits, 1), "take" if limit.enforce else "shadow"
    if ended:
        cost = response_hits(limit.response_cost, ended) if limit.response_cost is not None else 0
        return cost, "add"
    if descriptor.give_back:
        return descriptor.hits, "give_back"
    if not limit.enforce:
        return descriptor.hits, "shadow"
    return descriptor.hits, "always" if limit.count_refused else "take"


def response_hits(cost: ResponseCost, ended: Mapping[str, str]) -> int:
    """What a response costs. What is not known costs nothing."""
    status, sent = ended.get(STATUS_KEY, ""), ended.get(BYTES_KEY, "")
    hits = cost.status.get(status, cost.status.get(f"{status[:1]}xx", 0))
    if cost.bytes_per_hit is not None and sent.isascii() and sent.isdigit() and len(sent) < 20:
        hits += -(-int(sent) // cost.bytes_per_hit)
    return hits


def rates_of(name: str, limit: Limit, values: Mapping[str, str], exceptions: Exceptions) -> Sequence[Rate]:
    """The rates that hold for a caller: his own, else his plan's, else those of everybody."""
    own = exceptions.rates(name, limit, values["user"]) if "user" in limit.per else None
    if own is not None:
        return own
    return limit.plans.get(values["plan"], limit.rates) if limit.plans else limit.rates


def terms(limit: Limit, rate: Rate) -> Terms:
    """A rate as what a counter is held to."""
    return Terms(limit.algorithm, rate.requests, rate.window_ms, rate.burst, rate.period, limit.time_zone)
