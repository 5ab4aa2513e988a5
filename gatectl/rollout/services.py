"""What ext_authz and ratelimit_svc say about the policies they have loaded."""

from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class ServiceStatus:
    """A service's /status. ``rejected`` maps a slot to the reason why its document was refused."""

    name: str
    ready: bool
    current: str | None
    revisions: tuple[str, ...]
    rejected: dict[str, str]
    workers: int
    workers_up: int


class ServiceAdmin:
    """Client of one service's HTTP side; ``address`` is ``host:port``."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self._client = httpx.Client(base_url=f"http://{address}", timeout=2, trust_env=False)

    def status(self) -> ServiceStatus | None:
        """What it has loaded; None when it cannot be reached."""
        try:
            document = self._client.get("/status").json()
            return ServiceStatus(
                self.name,
                document["ready"],
                document["current"],
                tuple(document["revisions"]),
                {str(slot): str(reason) for slot, reason in dict(document["rejected"]).items()},
                int(document["workers"]),
                int(document["workers_up"]),
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def be_patient(self, seconds: float) -> None:
        """Wait so long for an answer, for whoever looks again and again: one question to a frozen service is enough."""
        self._client.timeout = httpx.Timeout(2, read=seconds)

    def close(self) -> None:
        """Free the connection."""
        self._client.close()
