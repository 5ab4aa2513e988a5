"""A local limit for each client address → ``abuse.requests_per_address``."""

from typing import Any

from gatectl.importing.envoy_dump import Item, Notes, span

_BY_ADDRESS = {"masked_remote_address", "remote_address"}
_EXEMPT = "remote_address_match"


def address_limit_of(config: Item, notes: Notes) -> dict[str, Any]:
    """What of ``abuse`` envoy.filters.http.local_ratelimit says; empty, and told, when it counts by something else."""
    descriptors, rules = config.items("descriptors"), config.items("rate_limits")
    actions = [action for rule in rules for action in rule.items("actions")]
    kinds = [kind for action in actions for kind in action.data]
    exempt = [network for action in actions for network in _networks(action)]
    bucket = descriptors[0].item("token_bucket") if descriptors else None
    requests, interval = (bucket.number("tokens_per_fill"), bucket.duration("fill_interval")) if bucket else (None, 0)
    if (
        (len(descriptors), len(rules)) != (1, 1)
        or not set(kinds) & _BY_ADDRESS
        or set(kinds) - _BY_ADDRESS - {_EXEMPT}
        or (_EXEMPT in kinds and not exempt)
        or not interval
    ):
        notes.add("the local rate limit is not carried over: it does not count by address alone", config.path)
        return {}
    return {"requests_per_address": f"{requests or 1}/{span(interval)}", "exempt": exempt}


def _networks(action: Item) -> list[str]:
    """The networks that an action makes no descriptor for; none when it is not that kind."""
    if _EXEMPT not in action.data:
        return []
    matcher = action.item(_EXEMPT).item("address_matcher")
    ranges = matcher.items("ranges")
    if matcher.take("invert_match") is not True:
        return []
    return [f"{one.take('address_prefix')}/{one.number('prefix_len') or 0}" for one in ranges]
