"""Where a Redis is and how to get in: one grammar of URLs for a server, Sentinel, Cluster, TLS and Unix sockets.

::

    redis://[user:password@]host[:6379][/database]
    unix://[user:password@]/path/of/socket[?db=database]
    redis+sentinel://[user:password@]host[:26379],…/service[/database]
    redis+cluster://[user:password@]host[:6379],…

``rediss`` in place of ``redis`` is TLS, always verified: against the system's authorities, or ``ssl_ca_certs``. User
and password are percent-encoded. Options come after the ``?``: OPTIONS. Knows no Redis client, so that a command that
needs none does not load one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Kind = Literal["single", "sentinel", "cluster"]
Address = tuple[str, int]
"""Host without brackets, port."""

PORTS: Mapping[Kind, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""PEM files: authorities to trust, and the client's own certificate and key."""
PASSWORD_FILES = ("password_file", "sentinel_password_file")
"""Files whose first line is a password; read for every new connection, so a changed one needs no restart."""
OPTIONS = (
    *("db", "username", "password", "sentinel_username", "sentinel_password"),
    *(*PASSWORD_FILES, *TLS_FILES, "ssl_check_hostname"),
)
_EXPECTED = (
    "must be a URL such as redis://host:6379/0, rediss://…, unix:///path, redis+sentinel://host,host/service or "
    "redis+cluster://host,host"
)


@dataclass(frozen=True, slots=True)
class Login:
    """Who to be; ``password_file`` wins over ``password``. Neither is ever shown."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None

    def credentials(self) -> tuple[str, ...]:
        """``()``, ``(password,)`` or ``(user, password)``. Raises OSError when the file cannot be read."""
        password = self.password
        if self.password_file is not None:
            password = self.password_file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        if password is None:
            return ()
        return (password,) if self.username is None else (self.username, password)


@dataclass(frozen=True, slots=True)
class Location:
    """A URL, understood. ``addresses`` are of the server, of Sentinels, or of some nodes of the Cluster.

    ``path`` is the Unix socket, then there is no address. ``service`` is the name Sentinel knows the server by, else
    empty. ``tls`` None: no TLS; else the options of redis-py that begin with ``ssl_``.
    """

    kind: Kind
    addresses: tuple[Address, ...]
    path: str | None = None
    service: str = ""
    database: int = 0
    login: Login = Login()
    sentinel_login: Login = Login()
    tls: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        """The place, without anything secret: for messages."""
        if self.path is not None:
            return self.path
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)
        return f"{self.service} of {hosts}" if self.service else hosts


def parse(url: str) -> Location:
    """A URL by the grammar above. Raises ValueError with a sentence that repeats nothing of it: it may hold secrets."""
    scheme, _, rest = url.partition("://")
    match = re.fullmatch(r"(redis|rediss)(?:\+(sentinel|cluster))?|(unix)", scheme)
    if match is None or not rest:
        raise ValueError(_EXPECTED)
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise ValueError(_EXPECTED) from None
    options = _options(parts.query)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    user, colon, password = userinfo.partition(":")
    login = Login(
        unquote(user) or options.get("username"),
        unquote(password) if colon else options.get("password"),
        _file(options, "password_file"),
    )
    if match[3]:
        if hosts or len(parts.path) < 2 or parts.fragment:
            raise ValueError(_EXPECTED)
        return Location(
            "single", (), unquote(parts.path), "", _number(options.get("db")), login, tls=_tls(options, False)
        )
    kind: Kind = "sentinel" if match[2] == "sentinel" else "cluster" if match[2] == "cluster" else "single"
    addresses = tuple(_address(host, PORTS[kind]) for host in hosts.split(","))
    path = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    service = unquote(path.pop(0)) if kind == "sentinel" and path else ""
    if (
        parts.fragment
        or len(path) > 1
        or (kind == "sentinel") != bool(service)
        or (kind == "single" and hosts.count(","))
    ):
        raise ValueError(_EXPECTED)
    database = _number(path[0] if path else options.get("db"))
    if kind == "cluster" and database:
        raise ValueError("must be a URL without a database: a Redis Cluster has only number 0")
    if kind != "sentinel" and any(name.startswith("sentinel_") for name in options):
        raise ValueError("must be a URL without options for Sentinel, or begin with redis+sentinel")
    asked = Login(
        options.get("sentinel_username"), options.get("sentinel_password"), _file(options, "sentinel_password_file")
    )
    tls = _tls(options, match[1] == "rediss")
    return Location(kind, addresses, None, service, database, login, asked, tls)


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if any(name not in OPTIONS for name, _ in pairs) or len(dict(pairs)) < len(pairs):
        raise ValueError(f"must be a URL with only these options, each once: {', '.join(OPTIONS)}")
    return dict(pairs)


def _file(options: Mapping[str, str], name: str) -> Path | None:
    if not options.get(name, "-"):
        raise ValueError(f"must be a URL whose {name} is not empty")
    return Path(options[name]) if name in options else None


def _number(text: str | None) -> int:
    if text is not None and not re.fullmatch(r"[0-9]{1,5}", text):
        raise ValueError("must be a URL whose database is a number")
    return int(text or 0)


def _address(text: str, port: int) -> Address:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::([0-9]{1,5}))?", text)
    if match is None or int(match[3] or port) not in range(1, 65536):
        raise ValueError(_EXPECTED)
    return match[1] or match[2], int(match[3] or port)


def _tls(options: Mapping[str, str], tls: bool) -> dict[str, Any] | None:
    given = [name for name in options if name.startswith("ssl_")]
    if not tls:
        if given:
            raise ValueError(f"must be a URL that begins with rediss, to have {given[0]}")
        return None
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise ValueError("must be a URL with both ssl_certfile and ssl_keyfile, or neither")
    check = options.get("ssl_check_hostname", "true")
    if check not in {"true", "false"}:
        raise ValueError("must be a URL whose ssl_check_hostname is true or false")
    files = {name: str(_file(options, name)) for name in TLS_FILES if name in options}
    return {**files, "ssl_check_hostname": check == "true"}
