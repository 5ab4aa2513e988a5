"""What an Envoy says about itself: the version of each file that it accepted last, and what it refused."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gatectl.compiler.names import ROUTES
from gatectl.rollout.certificates import Certificate, parse

KINDS = ("lds", "cds", "rds")
_PREFIX = {"lds": "listener_manager.lds", "cds": "cluster_manager.cds", "rds": f"http.{ROUTES}.rds.{ROUTES}"}
_SECRET = re.compile(r"^sds\.(.+)\.update_rejected: ", re.MULTILINE)
_STAT = re.compile(r"^([^:]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Progress:
    """Envoy's state of one kind of file. ``version`` is None until the first one is accepted."""

    version: str | None
    refused: int
    """How often a file was rejected or could not be read, since the start."""
    taken_at: int | None = None
    """When a file was read and accepted last, by Envoy's clock: milliseconds since 1970."""


@dataclass(frozen=True)
class Report:
    """One reading of an Envoy's counters."""

    kinds: dict[str, Progress]
    warming_clusters: int
    uptime_seconds: int
    secrets: Mapping[str, Progress] = field(default_factory=dict)
    """Certificates and those who sign them, by the name of the secret. A version means that its files were read."""

    @property
    def unread(self) -> list[str]:
        """The secrets whose files could not be read, ever since they were asked for."""
        return [name for name, one in self.secrets.items() if one.version is None and one.refused]

    def refused_since(self, before: "Report") -> list[str]:
        """The kinds that were refused since an earlier reading of the same process."""
        return [kind for kind in KINDS if self.kinds[kind].refused > before.kinds[kind].refused]


@dataclass(frozen=True)
class Info:
    """What an Envoy says of itself. ``version`` as in ``1.40.0``; ``node`` is the id in its bootstrap, empty when there
    is none; ``live`` is False while it starts up or drains.
    """

    version: str
    node: str
    live: bool
    uptime_seconds: int


class EnvoyAdmin:
    """Client of one Envoy's admin interface: a unix socket's path, or an ``http://`` URL."""

    def __init__(self, address: str) -> None:
        """Raises ValueError for a URL that nobody could ask."""
        self.address = address
        unix = not address.startswith("http")
        try:
            self._client = httpx.Client(
                transport=httpx.HTTPTransport(uds=address) if unix else None,
                base_url="http://envoy" if unix else address,
                timeout=2,
                trust_env=False,
            )
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from None

    def be_patient(self, seconds: float) -> None:
        """Wait so long for an answer, for whoever looks again and again: one question to a frozen Envoy is enough."""
        self._client.timeout = httpx.Timeout(2, read=seconds)

    def report(self) -> Report | None:
        """The counters now; None when Envoy cannot be reached."""
        try:
            text = self._client.get("/stats", params={"filter": _FILTER}).text
            stats = dict(_STAT.findall(text))
            return Report(
                {kind: _progress(stats, prefix) for kind, prefix in _PREFIX.items()},
                int(stats.get("cluster_manager.warming_clusters", 0)),
                int(stats.get("server.uptime", 0)),
                {name: _progress(stats, f"sds.{name}") for name in _SECRET.findall(text)},
            )
        except (httpx.HTTPError, ValueError):
            return None

    def config_dump(self) -> str | None:
        """Everything it obeys, endpoints included, as JSON; None when it cannot be reached."""
        try:
            answer = self._client.get("/config_dump", params={"include_eds": ""}, timeout=30)
        except httpx.HTTPError:
            return None
        return answer.text if answer.status_code == 200 else None

    def info(self) -> Info | None:
        """Who it is; None when it cannot be reached, or is no Envoy."""
        try:
            document = self._client.get("/server_info").json()
            text, state = str(document["version"]), document["state"]
            node = str(document.get("node", {}).get("id", ""))
            uptime = int(str(document["uptime_current_epoch"]).removesuffix("s"))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return Info(text.split("/")[1] if "/" in text else text, node, state == "LIVE", uptime)

    def certificates(self) -> tuple[Certificate, ...]:
        """Every certificate that it has loaded; none when it cannot be reached."""
        try:
            return parse(self._client.get("/certs").json())
        except (httpx.HTTPError, ValueError):
            return ()

    def live_names(self) -> dict[str, frozenset[str]]:
        """What it really has: names of ``listeners``, ``clusters`` and ``routes`` (with their virtual host) that came
        from files. A kind that cannot be read is left out.
        """
        found: dict[str, frozenset[str]] = {}
        with contextlib.suppress(httpx.HTTPError, ValueError, AttributeError, KeyError, TypeError):
            dump = self._dump("dynamic_active_clusters")
            found["clusters"] = frozenset(one["cluster"]["name"] for one in dump)
            dump = self._dump("dynamic_listeners")
            found["listeners"] = frozenset(one["name"] for one in dump if "active_state" in one)
            hosts = [
                host for one in self._dump("dynamic_route_configs") for host in one["route_config"]["virtual_hosts"]
            ]
            found["routes"] = frozenset(f"{host['name']}/{route['name']}" for host in hosts for route in host["routes"])
        return found

    def _dump(self, resource: str) -> list[dict[str, Any]]:
        document = self._client.get("/config_dump", params={"resource": resource}).json()
        configs: list[dict[str, Any]] = document.get("configs", [])
        return configs

    def listener_errors(self) -> list[str]:
        """Why listeners were refused last; Envoy keeps the reason of no other kind."""
        try:
            listeners = self._dump("dynamic_listeners")
            return [one["error_state"]["details"] for one in listeners if "error_state" in one]
        except (httpx.HTTPError, ValueError, AttributeError, KeyError, TypeError):
            return []

    def close(self) -> None:
        """Free the connection."""
        self._client.close()


_FILTER = (
    r"(^|\.)(lds|cds|rds\..*|sds\..*)\.(version_text|update_rejected|update_failure|update_time)$"
    r"|warming_clusters$|^server\.uptime$"
)


def _progress(stats: dict[str, str], prefix: str) -> Progress:
    version = stats.get(f"{prefix}.version_text", "").strip('"')
    refused = sum(int(stats.get(f"{prefix}.{counter}", 0)) for counter in ("update_rejected", "update_failure"))
    return Progress(version or None, refused, int(stats.get(f"{prefix}.update_time", 0)) or None)
