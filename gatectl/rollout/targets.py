"""Everybody who must obey a new revision, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatectl.diagnostics import GatectlError
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.place import Running
from gatectl.rollout.services import ServiceAdmin
from gatectl.rollout.store import CURRENT, NODES, Store

SERVICES = ("ext_authz", "ratelimit_svc")


@dataclass(frozen=True)
class Node:
    """One Envoy. ``slot`` is the symlink, below the state directory, through which it sees its files; ``log`` is where
    its own words can be read.
    """

    name: str
    admin: EnvoyAdmin
    slot: str = CURRENT
    log: Path | None = None


@dataclass(frozen=True)
class Targets:
    """The Envoys and services of a rollout."""

    nodes: tuple[Node, ...] = ()
    services: tuple[ServiceAdmin, ...] = ()

    @property
    def waves(self) -> tuple[tuple[Node, ...], ...]:
        """Who is switched together. The first node that has a directory of its own goes ahead alone, as the canary;
        nodes that share a directory see its one symlink change at the same moment.
        """
        own = [node for node in self.nodes if node.slot != CURRENT]
        if not own or len(self.nodes) == 1:
            return (self.nodes,)
        return (own[0],), tuple(node for node in self.nodes if node is not own[0])

    @property
    def everybody(self) -> tuple[str, ...]:
        """The names of all who are asked."""
        return (*(service.name for service in self.services), *(node.name for node in self.nodes))

    def close(self) -> None:
        """Free the connections."""
        for service in self.services:
            service.close()
        for node in self.nodes:
            node.admin.close()


def services_of(running: Running) -> tuple[ServiceAdmin, ...]:
    """Clients of both services of a running gateway."""
    return (
        ServiceAdmin("ext_authz", running.ext_authz.http),
        ServiceAdmin("ratelimit_svc", running.ratelimit_svc.http),
    )


def targets_of(
    state_dir: Path,
    running: Running | None,
    *,
    admins: Sequence[str] = (),
    services: Sequence[str] = (),
) -> Targets:
    """The parts of the gateway that runs in ``state_dir``, and the Envoys and services that the user names besides.

    ``admins`` are URLs or socket paths, ``services`` are ``NAME=HOST:PORT``. Raises GatectlError (64) for what cannot
    be read, (5) for an Envoy that does not answer.
    """
    found = [Node("envoy", EnvoyAdmin(running.admin), log=state_dir / "logs" / "envoy.log")] if running else []
    known = {node.admin.address for node in found}
    found += [_node(state_dir, address) for address in dict.fromkeys(admins) if address not in known]
    named = tuple(_service(text) for text in services)
    return Targets(tuple(found), (*(services_of(running) if running else ()), *named))


def refuse_strangers(targets: Targets, store: Store) -> None:
    """Raise GatectlError when a node has a directory here and nobody named it: it would be left behind, unseen."""
    forgotten = sorted({*store.node_slots()} - {node.slot for node in targets.nodes})
    if forgotten:
        name = Path(forgotten[0]).parent.name
        hint = f"name its Envoy with --admin, or remove {store.state_dir / NODES / name}"
        raise GatectlError(f'node "{name}" has a directory here, and nobody asks it: {hint}', 64)


def _node(state_dir: Path, address: str) -> Node:
    admin = admin_at(address)
    info = admin.info()
    if info is None:
        raise GatectlError(f"Envoy at {address} cannot be reached", 5)
    return node_of(state_dir, admin, info.node)


def admin_at(address: str) -> EnvoyAdmin:
    """A client of the Envoy that the user names. Raises GatectlError (64) when the address cannot be one."""
    if not address.startswith(("http://", "/", ".")):
        raise GatectlError(f"--admin must be an http:// URL or the path of a socket, not {address}", 64)
    try:
        return EnvoyAdmin(address.rstrip("/"))
    except ValueError:
        raise GatectlError(f"--admin is no URL that can be asked: {address}", 64) from None


def node_of(state_dir: Path, admin: EnvoyAdmin, node: str) -> Node:
    """The Envoy with an id, and where it sees its files: in a directory of its own, if there is one."""
    slot = f"{NODES}/{node}/{CURRENT}"
    own = bool(node) and "/" not in node and (state_dir / slot).parent.is_dir()
    return Node(node if own else admin.address, admin, slot if own else CURRENT)


def _service(text: str) -> ServiceAdmin:
    name, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    if name not in SERVICES or not host or not port.isdecimal():
        raise GatectlError(f"--service must be ext_authz=HOST:PORT or ratelimit_svc=HOST:PORT, not {text}", 64)
    return ServiceAdmin(name, address)
