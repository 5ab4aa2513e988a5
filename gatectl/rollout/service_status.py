"""What ext_authz or ratelimit_svc obeys, and why it does not obey what is in force."""

from dataclasses import dataclass

from gatectl.rollout.node_status import Goal, State, one_line
from gatectl.rollout.services import ServiceAdmin, ServiceStatus


@dataclass(frozen=True)
class Service:
    """ext_authz or ratelimit_svc. ``reason`` is why it does not obey; ``now`` is None when it is unreachable."""

    name: str
    address: str
    state: State
    now: ServiceStatus | None = None
    reason: str | None = None


def judge(service: ServiceAdmin, now: ServiceStatus, goal: Goal) -> Service:
    """What an answer means."""
    refused = [f"{slot} refused: {one_line(reason)}" for slot, reason in sorted(now.rejected.items())]
    other = f"obeys {now.current or 'nothing'}, not {goal.revision or 'nothing'}"
    state: State = "synced"
    if not now.ready:
        state, other = "not ready", f"{now.workers_up} of {now.workers} workers have reported"
    elif now.current == goal.revision:
        other = ""
    elif goal.under_way:
        state = "pending"
    else:
        state = "rejected" if "current" in now.rejected else "stale"
    return Service(service.name, service.address, state, now, "; ".join(filter(None, [other, *refused])) or None)
