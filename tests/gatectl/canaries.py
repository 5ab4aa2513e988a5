"""A spec in which every value comes from the environment, and two values for each."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.gatectl.test_mutations import EVERYTHING, data_of

SHAPES: tuple[tuple[str, str], ...] = (
    (r"\d+(\.\d+)?(ms|s|m|h|d)", "{n}ms"),
    (r"\d+(B|KiB|MiB)", "{n}B"),
    (r"[0-9a-f.:]+[.:][0-9a-f.:]*/\d+", "127.{b}.0.0/16"),
    (r"unlimited", "{n}/minute"),
    (r"\d+ at once", "61{b} at once"),
    *((rf"\d+/{unit}", f"{{n}}/{unit}") for unit in ("90m", "day", "week", "month")),
    *((rf"\d+/{unit} burst \d+", f"{{n}}/{unit} burst {{n}}") for unit in ("second", "hour")),
    (r"\d+/\w+", "{n}/second"),
    (r"[0-9a-f]{64}", "{hex}"),
    (r"[A-Za-z0-9+/]{43}=", "{pin}"),
    (r"\d+\.\d+\.\d+\.\d+", "127.{b}.7.9"),
    (r"[^/ ]*:\d+", "{word}:4123"),
    (r"http://.*", "http://{word}.example:1/"),
    (r"spiffe://.*", "spiffe://{word}.example/a"),
    (r"https?://.*/.*", "https://{word}.example/"),
    (r"https?://.*", "https://{word}.example"),
    (r"spiffe://.*", "spiffe://{word}/one"),
    (r"/tenants/\{.*", "/tenants/{{tenant}}/{word}/{{a_very_long_variable_name_indeed}}"),
    (r"/.*", "/{word}"),
    (r"\*\..*", "*.{word}.example"),
    (r"[A-Z]{3,6}", "{upper}"),
    (r"every1", "{plain}"),
)
"""What a text looks like → what its canary looks like; anything else may be a word."""
NUMBERS = {
    "consecutive_failures": ("613", "617"),
    "slow_after": ("13", "17"),
    "refuse_after": ("613", "617"),
    "budget_percent": ("61", "67"),
    "healthy_threshold": ("61", "67"),
    "unhealthy_threshold": ("61", "67"),
    "attempts": ("7", "9"),
    "headroom_percent": ("613", "617"),
    "success_percent": ("61", "67"),
    "max_rejection_percent": ("61", "67"),
    "min_percent": ("61", "67"),
    "max_slow_percent": ("61", "67"),
    "max_error_percent": ("61", "67"),
    "min_requests": ("61", "67"),
    "trusted_proxies": ("7", "9"),
    "ipv4_prefix": ("16", "17"),
    "ipv6_prefix": ("61", "67"),
    "repeat": ("613", "617"),
    "expect": ("413", "417"),
    "version": ("1", "1"),
}
"""Numbers that have to be small. All others are long enough to be found in any text."""
WORDS = {
    "protocol": ("http1", "http2"),
    "algorithm": ("sliding_window", "fixed_window"),
    "when_redis_is_away": ("deny", "allow"),
    "load_balancing": ("least_request", "round_robin"),
    "hash_by": ("user", "client_address"),
    "algorithms": ("PS384", "ES384"),
    "on": ("5xx", "retriable-4xx"),
    "access": ("authenticated", "public"),
    "upstream": ("plain", "least"),
    "min_version": ("1.2", "1.3"),
    "client_certificates": ("optional", "required"),
    "prefix": ("canary613a", "canary617a"),
    "max_stale": ("61300s", "61700s"),
    "effect": ("deny", "allow"),
    "time_zone": ("Europe/Paris", "Europe/Rome"),
}
"""Fields that take one of a few words."""
FIXED = {"per", "present", "local", "insecure_skip_verify", "any", "all", "where", "instead_of"}
"""Values that nothing else could stand for here, or that never come from the environment."""


@dataclass(frozen=True)
class Canary:
    """One value of the spec: where it stands, and what the environment says there on both sides of a change."""

    path: tuple[str | int, ...]
    name: str
    values: tuple[str, str]

    @property
    def telling(self) -> bool:
        """Can it be found in a text, without being taken for something else?"""
        return bool(re.search(r"[a-z]*canary|\d{4}|127|c[ab]c[ab]", self.values[0].lower()))


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if children is None:
        yield path, value
    else:
        for key, child in children:
            yield from leaves(child, (*path, key))


@cache
def spec() -> dict[str, Any]:
    """Everything that can be written, with enough rivals left that any one value may change. To be copied."""
    data: dict[str, Any] = data_of(EVERYTHING)
    data["rate_limits"][0]["routes"] = ["exact", "template"]
    data["routes"].append({"name": "last", "match": {"path": "/last"}, "upstream": "dns", "access": "public"})
    data["authentication"]["forward_credentials"] = True
    del data["roles"]  # names that are declared could not be others
    data["routes"][2]["access"][2] = {"roles": ["writer"]}
    data["routes"][3]["access"][0] = {"roles": ["reader"]}
    return data


def canaries() -> list[Canary]:
    """One for every value that may be another one."""
    found = []
    for number, (path, value) in enumerate(leaves(spec())):
        field = next(step for step in reversed(path) if isinstance(step, str))
        pair = _pair(field, path, value, number)
        if pair is not None:
            found.append(Canary(path, f"CANARY_{number}", pair))
    return found


def _pair(field: str, path: tuple[str | int, ...], value: Any, number: int) -> tuple[str, str] | None:
    fixed = field in FIXED or (path[0] == "rate_limits" and field == "routes")
    fixed |= field == "key" and path[0] == "development"
    fixed |= field == "algorithm" and value not in WORDS["algorithm"]
    fixed |= field in {"load_balancing", "hash_by"} and path[1] != "least"
    if fixed:
        return None
    if value is True or value is False:
        return "true", "false"
    if field in WORDS:
        return WORDS[field]
    if isinstance(value, int):
        return NUMBERS.get(field, (f"4{number:03}3", f"5{number:03}3"))  # long enough to be nothing else
    shape = next((shape for pattern, shape in SHAPES if re.fullmatch(pattern, value)), "{word}")
    first, second = (
        shape.format(
            n=f"{side}{number:03}7",
            b=f"{side}{number % 10}",
            hex=(f"c{kind}" * 29) + f"{number:06}",
            pin=f"canary{kind * 3}{number:04}".ljust(43, "A") + "=",
            word=f"canary-{kind * 3}-{number}",
            plain=f"canary{kind * 3}{number}",
            low=f"canary_{kind * 3}_{number}",
            upper=f"CANARY{kind.upper() * 3}{chr(65 + number % 26)}{chr(65 + number // 26)}",
        )
        for kind, side in (("a", 4), ("b", 5))
    )
    return first, second


def planted(*chosen: Canary) -> dict[str, Any]:
    """The spec with references where the chosen values stood. Names that are referred to stay the same name."""
    data = copy.deepcopy(spec())
    for canary in chosen:
        *above, last = canary.path
        place: Any = data
        for step in above:
            place = place[step]
        was, place[last] = place[last], f"${{{canary.name}}}"
        if canary.path[0] == "routes" and last == "name":
            for limit in data["rate_limits"]:
                if "routes" in limit:
                    limit["routes"] = [place[last] if one == was else one for one in limit["routes"]]
        if canary.path[0] == "rate_limits" and last == "name":
            for limit in data["rate_limits"]:
                limit["instead_of"] = [place[last] if one == was else one for one in limit.get("instead_of", [])]
        if canary.path[:2] == ("development", "keys") and last == "user":
            data["development"]["requests"][0]["key"] = place[last]
    return data


def literal(canary: Canary, side: int) -> dict[str, Any]:
    """The spec with the value itself where the reference would be."""
    value = canary.values[side]
    word = value if value.isdigit() else json.dumps(value)
    data: dict[str, Any] = json.loads(json.dumps(planted(canary)).replace(f'"${{{canary.name}}}"', word))
    return data


def environment(side: int, *chosen: Canary) -> dict[str, str]:
    return {canary.name: canary.values[side] for canary in chosen}


def found_in(text: str, chosen: list[Canary]) -> list[str]:
    """The canaries whose value stands in a text; a number inside of a digest or of a place is none."""
    text = re.sub(r"\.yaml:\d+:\d+", ".yaml", text)
    words = {value: canary for canary in chosen for value in canary.values if canary.telling}
    pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    hits = set(re.findall(rf"(?<![0-9a-f])(?:{pattern})(?![0-9a-f])", text)) if words else set()
    return sorted(f"{'/'.join(map(str, words[one].path))}: {one}" for one in hits)
