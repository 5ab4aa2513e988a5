"""Virtual hosts → one list of routes in order, each with its hosts.

Envoy looks into one virtual host only, the most specific; a spec has one list where the first match wins. So what is
for fewer hosts comes first, and a route that stands in several virtual hosts is one route.
"""

import heapq
import json
import re
from typing import Any

from gatectl.importing.envoy_dump import Notes

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
ANY = "*"


def hosts_of(domains: list[Any], path: str, notes: Notes) -> list[str]:
    """The domains that a spec can say: exact, ``*.example.com``, or ``*``."""
    hosts: list[str] = []
    for domain in domains:
        host = re.sub(r":([0-9]+|\*)$", "", str(domain)).lower()
        if host == ANY or _HOST.fullmatch(host):
            hosts.append(host)
        else:
            notes.add(f'the domain "{str(domain)[:80]}" is left out', path)
    return list(dict.fromkeys(hosts))


def in_one_list(virtual_hosts: list[tuple[list[str], list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """The routes of all virtual hosts (their hosts, their routes in order) as one list."""
    ordered = sorted(virtual_hosts, key=lambda one: min((_rank(host) for host in one[0]), default=(3, 0)))
    routes: dict[str, dict[str, Any]] = {}
    hosts: dict[str, list[str]] = {}
    ranks: dict[str, tuple[int, int]] = {}
    followers: dict[str, set[str]] = {}
    for rank, (names, found) in enumerate(ordered):
        keys = list(dict.fromkeys(json.dumps(route, sort_keys=True) for route in found))
        for position, (key, route) in enumerate(zip(keys, _distinct(found), strict=True)):
            routes.setdefault(key, route)
            hosts.setdefault(key, []).extend(names)
            ranks[key] = rank, position
            followers.setdefault(key, set()).update(keys[position + 1 : position + 2])
    return [_with_hosts(routes[key], hosts[key]) for key in _sorted(followers, ranks)]


def _distinct(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(route, sort_keys=True): route for route in found}.values())


def _rank(host: str) -> tuple[int, int]:
    """Exact names first, then the longest wildcards, ``*`` last."""
    if host == ANY:
        return 2, 0
    return (1, -len(host)) if host.startswith("*") else (0, 0)


def _sorted(followers: dict[str, set[str]], ranks: dict[str, tuple[int, int]]) -> list[str]:
    """In the order of each virtual host; where they leave it open, and where they contradict, by rank."""
    before = dict.fromkeys(followers, 0)
    for some in followers.values():
        for key in some:
            before[key] += 1
    ready = [(ranks[key], key) for key, count in before.items() if not count]
    heapq.heapify(ready)
    found: dict[str, None] = {}
    while len(found) < len(followers):
        if not ready:  # they contradict each other: go on with the most specific
            ready = [min((ranks[key], key) for key in followers if key not in found)]
        _, key = heapq.heappop(ready)
        if key in found:
            continue
        found[key] = None
        for follower in followers[key]:
            before[follower] -= 1
            if not before[follower] and follower not in found:
                heapq.heappush(ready, (ranks[follower], follower))
    return list(found)


def _with_hosts(route: dict[str, Any], hosts: list[str]) -> dict[str, Any]:
    if ANY in hosts:
        return route
    wild = [host for host in hosts if host.startswith("*.")]
    own = [host for host in dict.fromkeys(hosts) if not any(host != one and host.endswith(one[1:]) for one in wild)]
    return {**route, "match": {**route["match"], "hosts": own}}
