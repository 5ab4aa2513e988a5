"""What a change does to those who use the gateway: whom it cuts off, and what it opens."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from gatectl.changes.limits import limit_openings
from gatectl.changes.openings import Opening, openings
from gatectl.changes.reach import Routing
from gatectl.changes.resources import Contents
from gatectl.changes.tls import tls_openings
from gatectl.compiler.names import UNJUDGED

_CORS = "envoy.filters.http.cors"
_ADDRESSES = "envoy.filters.http.local_ratelimit"


@dataclass(frozen=True)
class Effect:
    """One warning; ``object`` names what it is about, as changes do."""

    kind: Literal["cuts-connections", "opens-access"]
    object: str
    message: str


UNTOLD = Effect(
    "opens-access",
    "gateway",
    "what is in force was written by another version of gatectl: nobody can tell what this opens",
)


def effects(before: Contents | None, after: Contents, *, nameless: bool = False) -> tuple[Effect, ...]:
    """Every warning about a switch from one bundle to the other; ``nameless``: names of objects are not for output.

    Only names of objects are ever part of a warning, never a value: values may be secret.
    """
    if before is None or before.revision == after.revision:
        return ()
    was, now = Routing(before), Routing(after)
    opened = (
        *openings(before, after, was, now),
        *limit_openings(before.limits, after.limits, was, now),
        *_listener(before, after),
        *tls_openings(before, after),
        *_addresses(_bucket(before, _ADDRESSES), _bucket(after, _ADDRESSES)),
        *_unjudged(_bucket(before, UNJUDGED), _bucket(after, UNJUDGED)),
        *_browsers(was, now),
    )
    found = (*_cuts(before, after), *(Effect("opens-access", *one) for one in dict.fromkeys(opened)))
    return tuple(replace(one, object=one.object.partition(' "')[0]) for one in found) if nameless else found


def _cuts(before: Contents, after: Contents) -> Iterator[Effect]:
    if any(after.resources.get(("listener", name)) != one for name, one in before.of("listener").items()):
        yield Effect("cuts-connections", "listener", "Envoy drains the old listener and closes its open connections")
    for name in sorted(before.names("cluster") - after.names("cluster")):
        yield Effect(
            "cuts-connections", f'cluster "{name}"', "its connections are closed when what is under way has ended"
        )


def _listener(before: Contents, after: Contents) -> Iterator[Opening]:
    if _trusted_hops(after) > _trusted_hops(before):
        yield "listener", "more of X-Forwarded-For is believed: who is a client's address"
    sockets = [one.listener["address"]["socket_address"] for one in (before, after)]
    here, there = (ipaddress.ip_address(socket["address"]) for socket in sockets)
    if here != there and not there.is_loopback and not here.is_unspecified:
        yield "listener", "it can be reached at another address"


def _addresses(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Opening]:
    if was == now or not was:
        return
    if not now:
        yield "abuse", "no limit holds an address any more"
        return
    if _is_larger(was, now):
        yield "abuse", "an address may send more than before, at once or over time"


def _unjudged(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Opening]:
    if was and now and _is_larger(was, now):  # from refusing to letting pass is an opening of the limits
        yield "rate limiting", "an address may send more than before while the limiter gives no answer"


def _is_larger(was: dict[str, Any], now: dict[str, Any]) -> bool:
    old, new = was["descriptors"][0]["token_bucket"], now["descriptors"][0]["token_bucket"]
    per_second = [one["tokens_per_fill"] / float(one["fill_interval"].removesuffix("s")) for one in (old, new)]
    return bool(new["max_tokens"] > old["max_tokens"] or per_second[1] > per_second[0])


def _browsers(was: Routing, now: Routing) -> Iterator[Opening]:
    old, new = _cors(was), _cors(now)
    for name, policy in new.items():  # nobody reached a new route before, from whichever site
        if name in was.routes and any(
            not parts <= old.get(name, {}).get(field, set()) for field, parts in policy.items()
        ):
            yield f'route "{name}"', "browsers on more sites may call it, or may do more (CORS)"


def _trusted_hops(contents: Contents) -> int:
    manager = contents.listener["filter_chains"][0]["filters"][-1]["typed_config"]
    return int(manager.get("xff_num_trusted_hops", 0))


def _bucket(contents: Contents, filter_name: str) -> dict[str, Any]:
    """One of Envoy's limits for each address; empty when there is none."""
    manager = contents.listener["filter_chains"][0]["filters"][-1]["typed_config"]
    return next((dict(one["typed_config"]) for one in manager["http_filters"] if one["name"] == filter_name), {})


def _cors(routing: Routing) -> dict[str, dict[str, set[str]]]:
    """Route → what its policy allows to browsers, by field."""
    filters = {name: one.get("typed_per_filter_config", {}) for name, one in routing.routes.items()}
    return {name: _allowed(one[_CORS]) for name, one in filters.items() if _CORS in one}


def _allowed(policy: dict[str, Any]) -> dict[str, set[str]]:
    words = {field: set(policy[field].split(",")) for field in ("allow_methods", "allow_headers", "expose_headers")}
    origins = {str(one) for one in policy["allow_origin_string_match"]}
    return {**words, "origins": origins, "credentials": {"yes"} if policy["allow_credentials"] else set()}
