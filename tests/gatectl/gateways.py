"""A real Envoy on a state directory of its own, and what a test wants to know about it."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatectl.render.bundle import Bundle, canonical
from gatectl.rollout import bootstrap
from gatectl.rollout.apply import Order, Receipt, apply
from gatectl.rollout.converge import Event
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.rollout.stages import LDS
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Node, Targets
from gatectl.snapshot import Endpoint
from gatectl.spec.record import Record

NOBODY = Endpoint("127.0.0.1", 1)
NO_SECRETS = Record(written={}, effective={"upstreams": {}, "routes": []})
"""Of a spec that nobody wrote: these bundles are made by hand."""
PATIENCE = 20.0
"""Seconds until a test gives up on something that takes milliseconds."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], what: str) -> None:
    """Envoy tells nobody when it is there: it can only be asked again."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.01)


AUTHZ, LIMITER = "envoy.filters.http.ext_authz", "envoy.filters.http.ratelimit"


def unguarded(bundle: Bundle, *without: str) -> Bundle:
    """Without the filters that ask the two services, or those named: for tests that have neither."""
    document = json.loads(bundle.files[LDS])
    asking = without or (AUTHZ, LIMITER)
    for listener in document["resources"]:
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        manager["http_filters"] = [one for one in manager["http_filters"] if one["name"] not in asking]
    return replace(bundle, files={**bundle.files, LDS: canonical(document).encode()})


class Gateway:
    """A state directory, the Envoy that watches it, and nobody else to obey."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(directory)
        self.port = free_port()
        self.log = directory / "envoy.log"
        self.progress: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.admin = EnvoyAdmin(str(directory / "admin"))

    @property
    def targets(self) -> Targets:
        return Targets((Node("envoy", self.admin, log=self.log),))

    def note(self, event: Event) -> None:
        """The steps of the whole rollout; who took over what comes in no order."""
        if event.target is None:
            self.progress.append(str(event))

    def start(self, bundle: Bundle, ext_authz: Endpoint = NOBODY) -> None:
        """Envoy needs files to start from: the first apply has nobody to wait for."""
        apply(bundle, self.store, Targets(), PATIENCE, self.note)
        bootstrap.write(self.directory, bundle.gateway, None, str(self.directory / "admin"), ext_authz, NOBODY)
        self._run()
        until(lambda: self.versions() == dict.fromkeys(("lds", "cds", "rds"), bundle.revision), "Envoy is up")

    def restart(self) -> None:
        """Envoy dies, and comes up again; nobody waits for it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._run()

    def _run(self) -> None:
        options = ["--disable-hot-restart", "--reject-unknown-dynamic-fields", "--concurrency", "1", "-l", "warning"]
        with self.log.open("wb") as log:
            command = [str(find_envoy()), "-c", bootstrap.BOOTSTRAP, *options]
            self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log)

    def stop(self) -> None:
        self.admin.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def apply(self, bundle: Bundle, timeout: float = PATIENCE) -> Receipt:
        return apply(bundle, self.store, self.targets, timeout, self.note, Order(record=NO_SECRETS))

    def versions(self) -> dict[str, str | None]:
        """What Envoy obeys, by kind of file; empty while it does not answer."""
        report = self.admin.report()
        return {kind: one.version for kind, one in report.kinds.items()} if report else {}

    def reads(self) -> str:
        """How often Envoy has read each of its files."""
        found = self.admin._client.get("/stats", params={"filter": "update_attempt$"}).text
        return "\n".join(line for line in found.splitlines() if not line.startswith("cluster."))

    def get(self, path: str, host: str = "any.example") -> tuple[int, Any]:
        """Status and body (of JSON, the document) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers={"host": host})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(body) if "json" in kind else body.decode()
