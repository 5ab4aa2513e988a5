"""A gateway that is looked at: a real Envoy whose log is where `up` would put it."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gatectl.render.bundle import Bundle
from gatectl.rollout.envoy_admin import KINDS
from gatectl.rollout.node_status import NodeStatus
from gatectl.rollout.observer import Observer
from gatectl.rollout.place import Running, Service, write_running
from gatectl.rollout.status import Status
from tests.gatectl.gateways import Gateway, until
from tests.gatectl.specs import bundle, route

SECRET = "s3cr3t-value"


def rendered(gateway: Gateway, *routes: str) -> Bundle:
    return bundle(
        gateway.directory,
        listener={"address": "127.0.0.1", "port": gateway.port},
        routes=[route(name, {"path": f"/{name}"}) for name in routes],
    )


@contextmanager
def place() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(prefix="gc-") as directory:  # a socket's path must be short
        gateway = Gateway(Path(directory))
        gateway.log = gateway.directory / "logs" / "envoy.log"
        gateway.log.parent.mkdir()
        try:
            yield gateway
        finally:
            if gateway.process is not None:
                gateway.process.send_signal(signal.SIGCONT)
            gateway.stop()


def look(gateway: Gateway, *admins: str) -> Status:
    with closing(Observer(gateway.directory, admins or (gateway.admin.address,))) as eye:
        return eye.look()


def only(status: Status) -> NodeStatus:
    (node,) = status.nodes
    return node


def runs(gateway: Gateway) -> None:
    """As `up` tells who runs here: the Envoy's log is known then. Nobody else answers."""
    nobody = Service(grpc="127.0.0.1:1", http="127.0.0.1:1")
    running = Running(
        gateway="small",
        supervisor_pid=1,
        supervisor_started="",
        url="",
        admin=gateway.admin.address,
        ext_authz=nobody,
        ratelimit_svc=nobody,
        redis_url=f"redis://:{SECRET}@127.0.0.1:1/0",
    )
    write_running(gateway.directory, running)


def put_back(gateway: Gateway, first: Bundle) -> None:
    """It obeys its first revision, and nothing else is known of it."""
    for name in ("running.json", "rollout.json"):
        (gateway.directory / name).unlink(missing_ok=True)
    gateway.store.switch("current", first.revision)
    until(lambda: gateway.versions() == dict.fromkeys(KINDS, first.revision), "Envoy is back")
