"""The gateway under attack: real Envoy, ext_authz, limiter and Redis as processes, and an upstream that remembers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ext_authz import api_key
from gatectl.render.bundle import canonical, flatten
from gatectl.render.resources import bootstrap
from gatectl.rollout import candidate
from gatectl.runtime import binaries, launch
from gatectl.runtime.ports import free_ports
from gatectl.snapshot import Endpoint
from serving.supervisor import WORKER
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, KEY_SET
from tests.hostile.at_noon import CLOCK
from tests.hostile.recorder import Recorder
from tests.hostile.records import store_all

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SPEC = HERE / "gateway.yaml"
START_SECONDS = 20.0
IDENTITY_KEY = ec.generate_private_key(ec.SECP256R1())
"""What the gateway signs identities with."""


@dataclass
class Fort:
    """A running gateway. ``port`` is where clients connect."""

    directory: Path
    port: int
    redis_port: int
    upstream: Recorder
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _again: dict[str, tuple[list[str], dict[str, str]]] = field(default_factory=dict)

    def start(self, name: str, command: list[str], **environment: str) -> None:
        """Start a process that dies with us; its stdin stays open as long as we live."""
        self._again[name] = (command, environment)
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*launcher, *command],
                cwd=self.directory,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def restart(self, name: str) -> None:
        """Start a process again that was killed."""
        command, environment = self._again[name]
        self.start(name, command, **environment)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait for the end."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP for as long as the block lasts: connections stay open, nothing answers."""
        self.processes[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[name].send_signal(signal.SIGCONT)

    def redis(self) -> redis.Redis:
        """A client of the operator's."""
        return redis.Redis(port=self.redis_port)

    def wait_for_redis(self) -> None:
        with contextlib.closing(self.redis()) as client:
            until(lambda: _answers(client), "Redis")

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        """A client's connection, from an address of this machine (127.0.0.0/8)."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(address, 0))

    @contextlib.contextmanager
    def clock(self, seconds: int) -> Iterator[None]:
        """ext_authz' clock jumps, and jumps back when the block ends."""
        file = self.directory / CLOCK
        file.write_text(str(seconds))
        try:
            yield
        finally:
            file.unlink()


def until(condition: Any, what: str) -> None:
    """Ask again until it is so: none of these processes tells anybody that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.01)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_for_service(port: int) -> None:
    """Until the service on this port has a policy to obey."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=START_SECONDS
        )


def _files(directory: Path, upstream: Recorder, port: int, services: Mapping[str, int]) -> None:
    """What Envoy and the services obey, compiled from the spec."""
    keys = directory / "jwks.json"
    keys.write_bytes(KEY_SET)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (directory / "identity.pem").write_bytes(IDENTITY_KEY.private_bytes(encoding, form, serialization.NoEncryption()))
    values = {
        "AGENT_SHA256": api_key.digest(AGENT_KEY),
        "CUSTOMER_SHA256": api_key.digest(CUSTOMER_KEY),
        "JWKS_FILE": str(keys),
        "UPSTREAM_PORT": str(upstream.port),
        "STREAMS_PORT": str(upstream.streams_port),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        bundle = candidate.read([str(SPEC)], port).bundle
    current = directory / "current"
    current.mkdir()
    for name in ("authz.json", "limits.json"):
        (current / name).write_bytes(bundle.files[name])
    ends = [Endpoint("127.0.0.1", services[name]) for name in ("ext_authz", "ratelimit_svc")]
    boot = bootstrap("fort", "fort", Endpoint("127.0.0.1", 1), *ends)
    (directory / "envoy.json").write_text(canonical(flatten(bundle, boot)))


@contextlib.contextmanager
def running_fort() -> Iterator[Fort]:
    """All of it, on free ports; every process is killed when the block ends."""
    port, redis_port, *others = free_ports(4)
    services = dict(zip(("ext_authz", "ratelimit_svc"), others, strict=True))
    with tempfile.TemporaryDirectory(prefix="fort-") as name, Recorder() as upstream:
        directory = Path(name)
        fort = Fort(directory, port, redis_port, upstream)
        _files(directory, upstream, port, services)
        try:
            fort.start("redis", [str(binaries.redis_server()), "--port", str(redis_port), "--save", ""])
            signing = ["--identity-key-file", str(directory / "identity.pem")]
            for service, program, own in (
                ("ext_authz", "tests.hostile.at_noon", signing),
                ("ratelimit_svc", "ratelimit_svc", []),
            ):
                options = ["--state-dir", str(directory), "--redis-url", f"redis://127.0.0.1:{redis_port}/0", *own]
                worker = f"127.0.0.1:{services[service]} {directory / service}.json"
                fort.start(service, [sys.executable, "-m", program, *options], **{WORKER: worker})
            envoy = [str(binaries.envoy()), "-c", "envoy.json", "--disable-hot-restart", "--concurrency", "1"]
            fort.start("envoy", [*envoy, "--log-level", "warning", "--file-flush-interval-msec", "20"])
            fort.wait_for_redis()
            with contextlib.closing(fort.redis()) as client:
                store_all(client)
            for one in others:
                wait_for_service(one)
            until(lambda: _listens(port), "Envoy")
            yield fort
        finally:
            for one in list(fort.processes):
                fort.kill(one)
