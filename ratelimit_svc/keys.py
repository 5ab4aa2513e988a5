"""What counters are called in the store, and which addresses are one caller."""

import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ratelimit_svc.policy import Rate

ADDRESS = "address:"
"""What the ``user`` dimension begins with for a caller who is known by his address only."""
_LONGEST_ADDRESS = 64
"""Characters, ``address:`` and a zone included. What is longer is none: the networks of addresses are remembered."""


def counter_keys(
    gateway: str, name: str, algorithm: str, rates: Sequence[Rate], counted: Mapping[str, str], epoch: str = ""
) -> list[str]:
    """The store's key of the counter of each rate: one key for one counter, whatever bytes the values are made of.

    A hash of JSON, never joined strings, so no two callers can be made to share a counter. Neither the revision nor
    ``requests`` is in it: a new revision does not reset counters and a raised limit takes effect at once. The braces
    pin all counters of one caller of one limit to one cluster slot: they are decided together, while other callers
    are spread over the cluster. Another ``epoch`` is another counter.
    """
    about = [gateway, name, algorithm, sorted(counted.items()), *([epoch] if epoch else [])]
    identity = json.dumps(about, separators=(",", ":"))
    digest = hashlib.blake2b(identity.encode(), digest_size=20).hexdigest()
    return [f"gatectl:rl:{{{digest}}}:{rate.period or rate.window_ms}" for rate in rates]


def polled_key(gateway: str, name: str) -> str:
    """A key beside the counters. The braces pin all that is polled for a gateway to one slot of a Cluster."""
    return f"gatectl:rl:{{{gateway}}}:{name}"


def counted_network(value: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """``address:2001:db8::1`` → ``address:2001:db8::/64``. What is no address is taken as it is.

    An IPv4 address that is mapped into IPv6 is IPv4.
    """
    return value if len(value) > _LONGEST_ADDRESS else _counted_network(value, ipv4_prefix, ipv6_prefix)


@lru_cache(maxsize=65_536)
def _counted_network(value: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    kind, address = (ADDRESS, value.removeprefix(ADDRESS)) if value.startswith(ADDRESS) else ("", value)
    try:
        parsed = _address(address)
    except ValueError:
        return value
    prefix = ipv4_prefix if parsed.version == 4 else ipv6_prefix
    return f"{kind}{ipaddress.ip_network((parsed, prefix), strict=False)}"


def is_within(value: str, networks: Sequence[str]) -> bool:
    """Whether an address is in one of the networks (CIDR). What is no address is in none."""
    try:
        address = _address(value)
    except ValueError:
        return False
    return any(address in _network(network) for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)
