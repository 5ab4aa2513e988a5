"""Which counter a descriptor is about. Pure: the descriptor contract of ``policy`` and nothing else."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ratelimit_svc.policy import ABSENT, LIMIT_KEY, REVISION_KEY, Limit, OnStoreFailure, Policy

MAX_DESCRIPTORS = 256
"""More than any gateway's limits; one call must not hold the store for long."""
MAX_HITS = 2**54
"""Larger addends are cut to this: above every ``Limit.requests``, so refused, and exact in Lua's doubles."""


class Mistake(Exception):  # noqa: N818 - it is the caller's mistake, and the name of the concept
    """A call that cannot be decided. ``reason`` is one word of a fixed set; no value of a descriptor is repeated."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotLoaded(Mistake):
    """The call may be right, but the policy that could tell is not here (yet)."""


class Descriptor(NamedTuple):
    """One descriptor of a call: its entries in order, and the hits it adds (0 only looks, without charging)."""

    entries: tuple[tuple[str, str], ...]
    hits: int


@dataclass(frozen=True, slots=True)
class Counter:
    """One limit for one value of the dimensions it counts by; ``key`` names it in the store."""

    name: str
    limit: Limit
    key: str
    on_store_failure: OnStoreFailure


class Ask(NamedTuple):
    """What a descriptor asks: ``hits`` of ``counter``. No counter: no limit applies to this descriptor."""

    counter: Counter | None
    hits: int


class Policies(Protocol):
    """Where policies are found: ``serving.policies.PolicyBook`` in the service."""

    @property
    def current(self) -> Policy | None:
        """The policy in force."""

    def get(self, revision: str, /) -> Policy | None:
        """The policy of a revision, None when it is not loaded."""


def resolve(domain: str, descriptors: Sequence[Descriptor], policies: Policies) -> list[Ask]:
    """What each descriptor of a call asks, in order.

    Raises Mistake for a call without domain or descriptors, with too many, or with one that fits no limit.
    """
    if not domain:
        raise Mistake("no_domain", "the domain must not be empty")
    if not descriptors:
        raise Mistake("no_descriptors", "a call must carry a descriptor")
    if len(descriptors) > MAX_DESCRIPTORS:
        raise Mistake("too_many_descriptors", f"a call may carry at most {MAX_DESCRIPTORS} descriptors")
    return [Ask(counter_of(descriptor.entries, policies), min(descriptor.hits, MAX_HITS)) for descriptor in descriptors]


def counter_of(entries: Sequence[tuple[str, str]], policies: Policies) -> Counter | None:
    """The counter that a descriptor's entries name; None when its limit does not apply to this caller.

    An empty descriptor is what Envoy sends when a descriptor extension failed on one it was told to skip: it names
    no limit. Everything else must follow the contract in ``policy``, or it is a Mistake.
    """
    if not entries:
        return None
    if len(entries) < 2 or entries[0][0] != LIMIT_KEY or entries[1][0] != REVISION_KEY:
        raise Mistake("malformed", f"a descriptor starts with the entries {LIMIT_KEY} and {REVISION_KEY}")
    policy, limit = _limit(entries[0][1], entries[1][1], policies)
    values: dict[str, str] = {}
    for dimension, value in entries[2:]:
        if values.setdefault(dimension, value) != value:
            raise Mistake("malformed", "a descriptor gives one dimension two values")
    if values.keys() != {*limit.per, *limit.when}:
        raise Mistake("malformed", "a descriptor has exactly the dimensions of its limit")
    if any(values[dimension] not in wanted for dimension, wanted in limit.when.items()):
        return None
    if any(values[dimension] == ABSENT for dimension in limit.per):
        return None
    name = entries[0][1]
    return Counter(name, limit, store_key(policy.gateway, name, limit, values), policy.on_store_failure)


def _limit(name: str, revision: str, policies: Policies) -> tuple[Policy, Limit]:
    """A limit by name, from its revision, or from the one in force when that revision is not loaded."""
    policy = policies.get(revision)
    if policy is not None:
        if name not in policy.limits:
            raise Mistake("unknown_limit", "the revision has no limit of this name")
        return policy, policy.limits[name]
    current = policies.current
    if current is None or name not in current.limits:
        raise NotLoaded("unknown_revision", "the revision is not loaded, and the one in force has no such limit")
    return current, current.limits[name]


def store_key(gateway: str, name: str, limit: Limit, values: dict[str, str]) -> str:
    """The store's key of a counter: one key for one counter, whatever bytes the values are made of.

    A hash of JSON, never joined strings, so no two callers can be made to share a counter. Neither the revision nor
    ``requests`` is in it: a new revision does not reset counters and a raised limit takes effect at once. The braces
    pin all counters of a gateway to one cluster slot, because one script decides over several of them.
    """
    counted = sorted((dimension, values[dimension]) for dimension in set(limit.per))
    identity = json.dumps([name, limit.algorithm, limit.window_ms, counted], separators=(",", ":"))
    return f"gatectl:{{{gateway}}}:rl:{hashlib.blake2b(identity.encode(), digest_size=20).hexdigest()}"
