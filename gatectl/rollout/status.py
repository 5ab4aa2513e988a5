"""The state of a gateway at one moment: who runs, and which revision each part obeys."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatectl.rollout.certificates import Certificate
from gatectl.rollout.history import Entry
from gatectl.rollout.journal import Journal
from gatectl.rollout.node_status import Goal, Kind, NodeStatus
from gatectl.rollout.redis_status import RedisStatus
from gatectl.rollout.service_status import Service


@dataclass(frozen=True)
class Status:
    """A gateway at one moment. ``gateway`` is the name of the one that runs, or was applied last; ``revision`` is what
    is in force on disk, ``applied`` the rollout that brought it there.

    ``rollout`` is one that is under way or, when ``goal.under_way`` is False, was interrupted. ``redis`` is None when
    it is not known where it is.
    """

    at: datetime
    state_dir: Path
    gateway: str | None
    revision: str | None
    previous: str | None
    applied: Entry | None
    goal: Goal
    rollout: Journal | None
    nodes: tuple[NodeStatus, ...]
    services: tuple[Service, ...]
    redis: RedisStatus | None

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Of all Envoys."""
        return tuple(one for node in self.nodes for one in node.certificates)

    @property
    def healthy(self) -> bool:
        """Everything runs and obeys the revision in force, and no certificate has expired."""
        states = [*(node.state for node in self.nodes), *(service.state for service in self.services)]
        return (
            bool(states)
            and not self.goal.under_way
            and all(state == "synced" for state in states)
            and (self.redis is None or self.redis.reason is None)
            and all(one.expires_at > self.at for one in self.certificates)
        )

    def data(self) -> dict[str, Any]:
        """For the views: names that programs rely on. Times are RFC 3339 in UTC."""
        return {
            "at": _text(self.at),
            "gateway": self.gateway,
            "state_dir": str(self.state_dir),
            "healthy": self.healthy,
            "revision": self.revision,
            "previous": self.previous,
            "since": self.applied.at if self.applied else None,
            "by": self.applied.by if self.applied else None,
            "action": self.applied.action if self.applied else None,
            "rollout": self._rollout(),
            "nodes": [self._node(node) for node in self.nodes],
            "services": [_service(service) for service in self.services],
            "redis": asdict(self.redis) | {"state": "unreachable" if self.redis.reason else "ready"}
            if self.redis
            else None,
        }

    def _rollout(self) -> dict[str, Any] | None:
        if self.rollout is None:
            return None
        about = self.rollout.model_dump(mode="json", include={"revision", "action", "by", "began_at"})
        return about | {"state": "under way" if self.goal.under_way else "interrupted"}

    def _node(self, node: NodeStatus) -> dict[str, Any]:
        return {
            "name": node.name,
            "address": node.address,
            "state": node.state,
            "reason": node.reason,
            "version": node.info.version if node.info else None,
            "live": node.info.live if node.info else None,
            "uptime_seconds": node.info.uptime_seconds if node.info else None,
            "kinds": {name: self._kind(kind) for name, kind in node.kinds.items()},
            "certificates": [
                asdict(one) | {"expires_at": _text(one.expires_at), "days": one.days(self.at)}
                for one in node.certificates
            ],
        }

    def _kind(self, kind: Kind) -> dict[str, Any]:
        age = max(0.0, round((self.at - kind.taken_at).total_seconds(), 3)) if kind.taken_at else None
        return asdict(kind) | {"taken_at": _text(kind.taken_at) if kind.taken_at else None, "age_seconds": age}


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def _service(service: Service) -> dict[str, Any]:
    now = service.now
    return {
        "name": service.name,
        "address": service.address,
        "state": service.state,
        "reason": service.reason,
        "ready": now.ready if now else None,
        "revision": now.current if now else None,
        "workers": now.workers if now else None,
        "workers_up": now.workers_up if now else None,
        "rejected": now.rejected if now else {},
    }
