"""Routes of Envoy → routes of the language, without their hosts and their place in the order."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from gatectl.fields import LONGEST_MS
from gatectl.importing.envoy_dump import Item, Notes, span
from gatectl.importing.envoy_match import NotSayableError, match_of

DEFAULT_TIMEOUT_MS = 15_000
"""Envoy's own, where a route says nothing."""
RETRIES = ("connect-failure", "refused-stream", "reset", "5xx", "gateway-error", "retriable-4xx")
_CORS = "envoy.filters.http.cors"
_SWITCH = "envoy.config.route.v3.FilterConfig"
_SILENT = ("name", "metadata", "stat_prefix", "decorator", "tracing")


@dataclass
class Found:
    """A route, and what Envoy says route by route but the language upstream by upstream."""

    route: dict[str, Any]
    cluster: str
    timeout_ms: int
    retries: dict[str, Any]
    hash_by: str | None
    filters: tuple[str, ...]
    """Names of the filters that it says something to."""


def route_of(item: Item, notes: Notes) -> Found | None:
    """One route; None when it is no route to an upstream. Raises NotSayableError."""
    item.ignore(*_SILENT)
    match = item.item("match")
    answer = item.item("direct_response")
    if match.data == {"prefix": "/"} and answer.number("status") == 404:
        item.ignore("response_headers_to_add", "typed_per_filter_config")
        match.ignore("prefix")
        answer.ignore("body", "body_format")
        return None  # what every gateway answers when no route matches
    for kind, what in (("redirect", "is a redirect"), ("direct_response", "is answered by Envoy itself")):
        if kind in item.data:
            raise NotSayableError(what)
    route: dict[str, Any] = {"match": match_of(match, notes), "access": "authenticated"}
    action = item.item("route")
    cluster = _cluster(action, notes)
    rewrite = _rewrite(action, route["match"])
    if rewrite is not None:
        route["rewrite_prefix"] = rewrite
    for name in ("request_headers", "response_headers"):
        headers = _headers(item, name, notes)
        if headers:
            route[name] = headers
    cors = _cors(item, notes)
    if cors:
        route["cors"] = cors
    told = item.data.get("typed_per_filter_config")
    filters = tuple(told) if isinstance(told, dict) else ()
    timeout = action.duration("timeout")
    if timeout == 0:
        notes.add("a route without time limit gets the longest there is", action.path, decided=True)
        timeout = LONGEST_MS
    action.ignore("cluster_not_found_response_code", "priority", "max_stream_duration", "idle_timeout", "rate_limits")
    return Found(route, cluster, timeout or DEFAULT_TIMEOUT_MS, _retries(action), _hash_by(action, notes), filters)


def _cluster(action: Item, notes: Notes) -> str:
    name: str | None = action.take("cluster", str)
    weighted = action.item("weighted_clusters").items("clusters")
    if weighted:
        shares = Counter({str(one.take("name")): one.number("weight") or 0 for one in weighted})
        for one in weighted:
            one.ignore(*one.data)
        action.below[-1].ignore("total_weight", "runtime_key_prefix")
        name = shares.most_common(1)[0][0]
        notes.add("weighted clusters are not supported: everything goes to the heaviest", action.path, decided=True)
    if name is None:
        raise NotSayableError("does not name its cluster")
    return name


def _rewrite(action: Item, match: dict[str, Any]) -> str | None:
    """``rewrite_prefix``. The language's own rewrites come as regular expressions."""
    plain = action.take("prefix_rewrite", str)
    regex = action.item("regex_rewrite")
    pattern, substitution = regex.item("pattern").take("regex", str), regex.take("substitution", str) or ""
    for item in regex.below:
        item.ignore("google_re2")
    if plain is None and pattern is None:
        if "path_rewrite_policy" in action.data:
            raise NotSayableError("rewrites the path in a way that a spec cannot say")
        return None
    prefix = match.get("path_prefix")
    if prefix is None:
        raise NotSayableError("rewrites something else than a prefix")
    bare = prefix.rstrip("/")
    if plain is not None:
        return plain.rstrip("/") or "/"
    if pattern == f"^{re.escape(bare)}/?" and substitution.endswith("/"):
        return substitution.rstrip("/") or "/"
    if pattern == f"^{re.escape(bare)}" and bare and substitution.startswith("/") and "\\" not in substitution:
        return substitution
    raise NotSayableError("rewrites the path by a regular expression")


def _headers(item: Item, name: str, notes: Notes) -> dict[str, Any]:
    set_: dict[str, str] = {}
    for option in item.items(f"{name}_to_add"):
        header = option.item("header")
        key, value = str(header.take("key")), header.take("value", str) or ""
        if option.take("append_action", str) != "OVERWRITE_IF_EXISTS_OR_ADD" and option.take("append") is not False:
            notes.add("a header is set, not added to what is there", option.path, decided=True)
        option.ignore("keep_empty_value", "append")
        if re.search("(?<!%)(%%)*%(?!%)", value):
            notes.add(f"the header {key} is left out: its value is made of what Envoy knows", option.path)
        elif key.lower().startswith(("x-gate-", ":")) or key.lower() == "host":
            notes.add(f"the header {key} cannot be set", option.path)
        else:
            set_[key] = value.replace("%%", "%")
    remove = [one for one in item.take(f"{name}_to_remove", list) or [] if isinstance(one, str)]
    return {**({"set": set_} if set_ else {}), **({"remove": remove} if remove else {})}


def _cors(item: Item, notes: Notes) -> dict[str, Any]:
    filters = item.item("typed_per_filter_config")
    # access is asked of everybody anyway, and limits are told of with their filter, as those of the route's action
    filters.ignore("envoy.filters.http.ext_authz", "envoy.filters.http.ratelimit")
    switches = [name for name, one in filters.data.items() if _SWITCH in str(one)]
    filters.ignore(*switches)  # what they switch on is told with the filters
    policy = filters.item(_CORS)
    policy.ignore("forward_not_matching_preflights")
    if not policy.data:
        return {}
    origins = []
    for origin in policy.items("allow_origin_string_match"):
        if (exact := origin.take("exact", str)) is not None:
            origins.append(exact)
        elif origin.item("safe_regex").take("regex", str) in {".*", r"\*"} or origin.take("prefix", str) == "":
            origins.append("*")
        else:
            notes.add("an origin of CORS is left out: origins are exact, or *", origin.path)
    if not origins:
        return {}
    made: dict[str, Any] = {"allow_origins": origins}
    for name in ("allow_methods", "allow_headers", "expose_headers"):
        made[name] = [word.strip() for word in str(policy.take(name, str) or "").split(",") if word.strip()]
    age = policy.number("max_age")
    if age:
        made["max_age"] = span(age * 1000)
    credentials = policy.take("allow_credentials")
    if credentials is True or (isinstance(credentials, dict) and credentials.get("value") is True):
        if "*" in origins:
            notes.add("CORS with credentials for every origin is not carried over", policy.path)
            return {}
        made["allow_credentials"] = True
    return made


def _retries(action: Item) -> dict[str, Any]:
    policy = action.item("retry_policy")
    words = [word.strip() for word in (policy.take("retry_on", str) or "").split(",")]
    on = [word for word in words if word in RETRIES]
    policy.ignore("retry_host_predicate", "host_selection_retry_max_attempts")
    if not on:
        return {}
    attempts = policy.number("num_retries")
    made: dict[str, Any] = {"attempts": min(attempts if attempts is not None else 1, 10) or 1, "on": on}
    per_try = policy.duration("per_try_timeout")
    if per_try:
        made["per_try_timeout"] = span(per_try)
    return made


def _hash_by(action: Item, notes: Notes) -> str | None:
    for policy in action.items("hash_policy"):
        policy.ignore("terminal")
        if policy.item("connection_properties").take("source_ip") is True:
            return "client_address"
        if str(policy.item("header").take("header_name")).lower() == "x-gate-user":
            return "user"
        notes.add("what is hashed is not carried over: it is the client's address", policy.path, decided=True)
        policy.ignore(*policy.data)
        return "client_address"
    return None
