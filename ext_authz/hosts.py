"""Hosts of requests: can one be taken for another? Pure.

Envoy joins repeated Host headers by ``,`` and routes by what comes of it (RFC 9112 section 3.2 wants 400). An upstream
that takes the first of them, or cuts off what stands before ``@``, would see a host that no route was chosen for.
"""

import re

_HOST = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def is_host(host: str) -> bool:
    """Whether this is one host name or address (RFC 3986 section 3.2.2, without escapes), or nothing.

    Envoy has taken the dot of the root away: one that is still there was one of several.
    """
    return not host or _HOST.fullmatch(host) is not None
