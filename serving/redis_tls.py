"""TLS to a Redis: who is trusted, and who we are.

redis-py would trust the system's authorities beside those of ``ssl_ca_certs``, and read all of them again for every
connection: tens of milliseconds in which an event loop does nothing else.
"""

import ssl
from functools import lru_cache
from pathlib import Path


def tls_context(
    ssl_ca_certs: str | None = None,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    ssl_check_hostname: bool = True,
) -> ssl.SSLContext:
    """The context of all connections with these options; another one when a file has changed, so that a renewed
    certificate needs no restart. Raises OSError for files that cannot be used.
    """
    files = (ssl_ca_certs, ssl_certfile, ssl_keyfile)
    changed = tuple(Path(file).stat().st_mtime_ns for file in files if file is not None)
    return _context(*files, ssl_check_hostname, changed)


@lru_cache(maxsize=8)
def _context(
    ca_certs: str | None,
    certfile: str | None,
    keyfile: str | None,
    check_hostname: bool,
    changed: tuple[int, ...],  # noqa: ARG001 - part of the key
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_certs)
    context.check_hostname = check_hostname
    if certfile is not None:
        context.load_cert_chain(certfile, keyfile)
    return context
