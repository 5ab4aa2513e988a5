"""The process behind `gatectl up`: starts the parts in order, keeps them alive, stops them in reverse order."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ext_authz.policy import DEFAULT_KEY_PREFIX
from gatectl.diagnostics import GatectlError
from gatectl.rollout import bootstrap
from gatectl.rollout.acts import record_act
from gatectl.rollout.envoy_admin import EnvoyAdmin
from gatectl.rollout.place import Running, Service, write_running
from gatectl.rollout.services import ServiceAdmin
from gatectl.runtime import (
    api_keys,
    binaries,
    issuers,
    leftovers,
    local_tls,
    lock,
    ports,
    programs,
    ready,
    redis_connection,
    redis_server,
)
from gatectl.runtime import state_dir as directories
from gatectl.runtime.children import Children
from gatectl.runtime.keyring import Keyring
from gatectl.runtime.lock import Supervisor
from gatectl.runtime.peppers import read_peppers
from gatectl.runtime.ready import Ready, ReadyKey
from gatectl.runtime.stop_signals import StopFlag, StopRequestedError, stop_signals
from gatectl.spec.model import Process, Spec
from serving import redis_location

START_SECONDS = 30.0
"""Longest wait for one part."""


@dataclass(frozen=True)
class Options:
    """What ``up`` was asked for.

    ``spec_dir`` is the directory of the spec, where development processes run. ``redis_url`` None: start a Redis.
    ``port`` None: the spec's. ``workers``: processes of each service, 1 to 64.
    """

    state_dir: Path
    spec_dir: Path
    redis_url: str | None = None
    port: int | None = None
    workers: int = 1


Apply = Callable[[Running], None]
"""Puts the spec into force. Called when both services answer and Envoy does not run yet."""
OnProgress = Callable[[str], None]
OnReady = Callable[[Running, list[ReadyKey]], None]


def run(
    options: Options,
    spec: Spec,
    apply: Apply,
    on_progress: OnProgress,
    on_ready: OnReady,
    beside: Callable[[], None] = lambda: None,
) -> int:
    """Run a gateway until SIGTERM, SIGINT or SIGHUP; returns 0. To be called in the main thread.

    ``on_ready`` is called once, when clients are served; ``beside`` many times a second from then on. Raises
    GatectlError, with the end of the log of the part that failed, when the gateway cannot come up. However it ends,
    nothing that it started is left behind.
    """
    directory = directories.prepare(options.state_dir)
    with lock.held(directory) as before, stop_signals() as stop:
        stale = ready.read(directory)
        leftovers.remove(directory, before)
        gateway = _Gateway(options, spec, directory, on_progress, stop)
        try:
            on_ready(*gateway.bring_up(apply, stale))
            gateway.children.look_after(on_progress, beside)
        except StopRequestedError:
            pass
        finally:
            gateway.take_down()
    return 0


class _Gateway:
    """One gateway and its parts."""

    def __init__(self, options: Options, spec: Spec, directory: Path, on_progress: OnProgress, stop: StopFlag) -> None:
        self._options, self._spec, self._directory, self._say = options, spec, directory, on_progress
        self.children = Children(stop)
        self._redis_url = options.redis_url
        self._keys: list[ReadyKey] = []
        self._peppers = read_peppers()

    def bring_up(self, apply: Apply, stale: Ready | None) -> tuple[Running, list[ReadyKey]]:
        """Start everything. ``stale``: what a run that crashed had made. Raises GatectlError or StopRequestedError."""
        address, port = self._spec.listener.address, self._options.port or self._spec.listener.port
        ports.claim(address, port, "stop it, or choose another port with --port")
        envoy = binaries.envoy()
        redis_port, *service_ports = ports.free_ports(5)
        redis_url = self._redis_url = self._start_redis(redis_port)
        if stale is not None:
            api_keys.forget(Keyring(redis_url, stale.gateway), [key.id for key in stale.keys])
        issuers.ensure_local_issuers(self._spec, self._directory)
        local_tls.ensure_local_certificate(self._spec, self._directory)
        issuers.ensure_identity_key(self._directory)
        services = self._start_services(redis_url, service_ports)
        for process in self._spec.development.processes:
            self._start_process(process)
        this = Supervisor.this()
        running = Running(
            gateway=self._spec.name,
            supervisor_pid=this.pid,
            supervisor_started=this.started,
            url=f"{self._spec.listener.scheme}://{ports.reachable(address)}:{port}",
            port=self._options.port,
            admin=str(self._directory / directories.ADMIN_SOCKET),
            ext_authz=services[programs.EXT_AUTHZ],
            ratelimit_svc=services[programs.RATELIMIT_SVC],
            redis_url=redis_url,
        )
        endpoints = (bootstrap.endpoint(name, service.grpc) for name, service in services.items())
        bootstrap.write(self._directory, running.gateway, None, running.admin, *endpoints)
        write_running(self._directory, running)
        self._apply(apply, running, services)
        self._start_envoy(envoy, running.admin, ports.reachable(address).strip("[]"), port)
        self._make_keys(redis_url)
        ready.write(self._directory, Ready(gateway=running.gateway, supervisor_pid=this.pid, keys=tuple(self._keys)))
        return running, list(self._keys)

    def take_down(self) -> None:
        """Stop everything that was started, the last part first."""
        try:
            if not self.children.empty:
                self._say("stopping")
            if self._keys and self._redis_url is not None:
                api_keys.forget(Keyring(self._redis_url, self._spec.name), [key.id for key in self._keys])
        except (GatectlError, OSError):  # Redis is away, or who listens to us: that must not keep anything running
            pass
        finally:
            self.children.stop()
            leftovers.remove(self._directory, None)

    def _start_redis(self, port: int) -> str:
        url = self._options.redis_url
        if url is not None:
            self._say("asking your Redis")
            redis_connection.check(url)
        else:
            self._say("starting Redis")
            url = redis_server.new_url(port)
            self.children.start(redis_server.program(self._directory, url))
            self.children.wait(redis_server.NAME, partial(_usable, url), START_SECONDS)
        location = redis_location.parse(url)
        self.children.secrets += filter(None, (location.login.password, location.sentinel_login.password))
        return url

    def _start_services(self, redis_url: str, free: list[int]) -> dict[str, Service]:
        self._say("starting ext_authz and ratelimit_svc")
        services: dict[str, Service] = {}
        for package in (programs.EXT_AUTHZ, programs.RATELIMIT_SVC):
            services[package] = Service(grpc=f"127.0.0.1:{free.pop()}", http=f"127.0.0.1:{free.pop()}")
            self.children.start(
                programs.service(package, services[package], self._directory, redis_url, self._options.workers)
            )
        self._await_services(services, ready=False)
        return services

    def _await_services(self, services: dict[str, Service], *, ready: bool) -> None:
        """Until they answer, or (``ready``) every worker has a policy to obey."""
        for package, service in services.items():
            with contextlib.closing(ServiceAdmin(package, service.http)) as admin:

                def answers(admin: ServiceAdmin = admin) -> bool:
                    status = admin.status()
                    return status is not None and (status.ready or not ready)

                self.children.wait(package, answers, START_SECONDS)

    def _start_process(self, process: Process) -> None:
        self._say(f"starting {process.name}")
        program = programs.development(process, self._options.spec_dir, self._directory)
        url = urlsplit(process.ready) if process.ready else None
        if url is not None and (host := ports.loopback(url.hostname)):
            # somebody else's answer there must not pass for this one's
            ports.claim(host, url.port or 80, f"{process.name} needs it; stop what is there")
        self.children.start(program)
        if process.ready is not None:
            with httpx.Client(trust_env=False, timeout=2) as client:
                self.children.wait(program.name, lambda: _is_ok(client, process.ready or ""), START_SECONDS)

    def _apply(self, apply: Apply, running: Running, services: dict[str, Service]) -> None:
        self._say("applying the spec")
        try:
            apply(running)
        except GatectlError:
            self.children.check()  # a part that has died says more
            raise
        self._await_services(services, ready=True)  # nothing new to apply: then nobody has waited for them yet

    def _start_envoy(self, binary: Path, admin_socket: str, host: str, port: int) -> None:
        self._say("starting Envoy")
        self.children.start(programs.envoy(binary, self._directory))
        with contextlib.closing(EnvoyAdmin(admin_socket)) as admin:

            def serves() -> bool:
                return admin.report() is not None and ports.accepts(host, port)

            self.children.wait(programs.ENVOY, serves, START_SECONDS)

    def _make_keys(self, redis_url: str) -> None:
        places = self._spec.authentication.api_keys
        prefix = places.prefix if places is not None else DEFAULT_KEY_PREFIX
        ring = Keyring(redis_url, self._spec.name, prefix, self._peppers)
        for wanted in self._spec.development.keys:
            key, record = api_keys.create(ring, api_keys.properties(**wanted.model_dump()))
            self._keys.append(ReadyKey(user=record.user, roles=record.roles, plan=record.plan, id=record.id, key=key))
            told = {"gateway": self._spec.name, "user": record.user, "roles": record.roles, "key_id": record.id}
            record_act(self._directory, "keys.create", self._say, **told, outcome="done")


def _usable(redis_url: str) -> bool:
    try:
        redis_connection.check(redis_url)
    except GatectlError:
        return False
    return True


def _is_ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False
