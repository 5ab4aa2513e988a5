"""What is not as it was applied: files that were changed by hand, nodes and services that obey something else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout.envoy_admin import KINDS
from gatectl.rollout.store import CURRENT, Store, in_force
from gatectl.rollout.targets import Node, Targets


@dataclass(frozen=True)
class Drift:
    """One difference. ``kind`` says in which direction: ``behind`` has not got it yet, ``edited`` was changed on disk,
    ``differs`` has other resources than its version says, ``unreachable`` cannot tell.
    """

    kind: Literal["behind", "edited", "differs", "unreachable"]
    part: str
    message: str


def drift(store: Store, targets: Targets) -> tuple[Drift, ...]:
    """Every difference between what is in force on disk and what runs; empty when nothing is in force."""
    generation = store.generation(CURRENT)
    if generation is None:
        return ()
    found: list[Drift] = []
    revision, bundle = in_force(generation), store.bundle(generation)
    if bundle is None:
        message = f"generation {generation} was changed by hand or is damaged: apply the spec again"
        found.append(Drift("edited", "files", message))
    for node in targets.nodes:
        found += _node(node, revision, bundle)
    for service in targets.services:
        status = service.status()
        if status is None:
            found.append(Drift("unreachable", service.name, f"{service.address} does not answer"))
        elif status.current != revision:
            found.append(Drift("behind", service.name, f"obeys {status.current or 'nothing'}, not {revision}"))
    return tuple(found)


def refuse_nobody(found: Sequence[Drift], store: Store, targets: Targets) -> None:
    """Raise GatectlError (5) when there was nobody to ask: "no drift" would be a guess."""
    if not (found or targets.everybody):
        hint = "`gatectl up` starts one; --admin and --service name others"
        raise GatectlError(f"no gateway runs in {store.state_dir}: {hint}", 5)


def _node(node: Node, revision: str, bundle: Bundle | None) -> Iterator[Drift]:
    report = node.admin.report()
    if report is None:
        yield Drift("unreachable", node.name, f"{node.admin.address} does not answer")
        return
    behind = [f"{kind} is at {report.kinds[kind].version or 'nothing'}" for kind in KINDS]
    behind = [text for kind, text in zip(KINDS, behind, strict=True) if report.kinds[kind].version != revision]
    if behind:
        yield Drift("behind", node.name, f"{', '.join(behind)}, not {revision}")
    elif bundle is not None:
        live = node.admin.live_names()
        for kind, names in _names(bundle).items():
            differing = sorted(names.symmetric_difference(live.get(kind, names)))
            if differing:
                yield Drift("differs", node.name, f"{len(differing)} of its {kind} are not those of {revision}")


def _names(bundle: Bundle) -> dict[str, frozenset[str]]:
    """The names that a node must have, by kind."""
    hosts = bundle.resource("rds")[0]["virtual_hosts"]
    return {
        "listeners": frozenset(one["name"] for one in bundle.resource("lds")),
        "clusters": frozenset(one["name"] for one in bundle.resource("cds")),
        "routes": frozenset(f"{host['name']}/{route['name']}" for host in hosts for route in host["routes"]),
    }
