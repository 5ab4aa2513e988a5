"""A model of envoyproxy/ratelimit, written from its source and nothing of ours: text keys, its own clock, INCRBY.

Two defects are left out, as docs/compat.md tells: a key also carries its window's length, so that an hour and a minute
that begin together are two counters, and counts do not end at 2^32.
"""

import fnmatch
from dataclasses import dataclass, field
from typing import Any

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
UNLIMITED = 4294967295


@dataclass
class Descriptor:
    limit: dict[str, Any] | None
    shadow: bool
    quota: bool
    share: str
    descriptors: dict[str, "Descriptor"] = field(default_factory=dict)
    wildcards: list[str] = field(default_factory=list)


@dataclass
class Call:
    """``descriptors``: entries, hits_addend or None, (requests, unit) of an override or None."""

    descriptors: list[tuple[list[tuple[str, str]], int | None, tuple[int, str] | None]]
    hits_addend: int = 0


def load(into: Descriptor, documents: list[dict[str, Any]]) -> Descriptor:
    for document in documents:
        value = document.get("value", "")
        key = document["key"] + ("_" + value if value else "")
        node = Descriptor(
            document.get("rate_limit"),
            document.get("shadow_mode", False),
            document.get("quota_mode", False),
            key if document.get("share_threshold") else "",
        )
        into.descriptors[key] = load(node, document.get("descriptors", []))
        if "*" in key:
            into.wildcards.append(key)
    return into


class Reference:
    """One service and its Redis."""

    def __init__(self, domain: str, documents: list[dict[str, Any]]) -> None:
        self.domain, self.root = domain, load(Descriptor(None, False, False, ""), documents)
        self.redis: dict[str, int] = {}

    def limit_of(self, entries: list[tuple[str, str]]) -> tuple[Descriptor, dict[int, str]] | None:
        node, shared = self.root, {}
        for index, (key, value) in enumerate(entries):
            final = f"{key}_{value}"
            found = node.descriptors.get(final)
            if found is None:
                matching = [one for one in node.wildcards if fnmatch.fnmatchcase(final, one)]
                found = node.descriptors[matching[0]] if matching else node.descriptors.get(key)
            if found is None:
                return None
            if found.share:
                shared[index] = found.share.removeprefix(f"{key}_")
            node = found
        return (node, shared) if entries and node.limit is not None else None

    def should_rate_limit(self, call: Call, now: int) -> tuple[bool, list[tuple[Any, ...]]]:
        """Whether it is over the limit, and for each descriptor: over, (requests, unit) or None, remaining, reset."""
        found: list[Any] = []
        for entries, _, override in call.descriptors:
            if override is not None:
                limit = {"requests_per_unit": override[0], "unit": override[1]}
                found.append((Descriptor(limit, False, False, ""), {}))
            else:
                found.append(self.limit_of(entries))
        replaced = {one["name"] for each in found if each for one in each[0].limit.get("replaces", [])}
        statuses, normal, quotas = [], [], []
        for (entries, addend, _), each in zip(call.descriptors, found, strict=True):
            if each is None:
                statuses.append((False, None, 0, 0))
                continue
            node, shared = each
            if node.limit.get("unlimited"):
                statuses.append((False, None, UNLIMITED, 0))
                continue
            if node.limit.get("name", "") in replaced:
                statuses.append((False, None, 0, 0))
                continue
            length = SECONDS[node.limit["unit"]]
            named = "_".join(f"{key}_{shared.get(index, value)}" for index, (key, value) in enumerate(entries))
            key = f"{self.domain}_{named}_{now // length * length}_{length}"
            hits = addend if addend is not None else max(1, call.hits_addend)
            self.redis[key] = after = self.redis.get(key, 0) + hits
            limit = node.limit["requests_per_unit"]
            over = after > limit and not node.shadow
            (quotas if node.quota else normal).append(over)
            statuses.append((over, (limit, node.limit["unit"]), max(0, limit - after), length - now % length))
        return any(normal) or (bool(quotas) and all(quotas)), statuses
