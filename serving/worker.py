"""One worker process: the gRPC server, its health, and a policy that follows the files."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from serving import logs
from serving.policies import PolicyBook, PolicyT
from serving.service import Service
from serving.settings import Values

log = logging.getLogger(__name__)

GRPC_OPTIONS = (
    ("grpc.so_reuseport", 1),
    # what a client sends is bounded by Envoy (max_request_headers); refused here, it would pass wherever failures do
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


Register = Callable[[grpc.aio.Server], None]
"""Adds the service's handlers to a server that has not started yet."""


@dataclass(frozen=True)
class Worker(Generic[PolicyT]):
    """A service as its worker processes know it.

    ``grpc_service`` is the full protobuf name that gRPC health reports, ``policy_file`` the document's name inside a
    generation. ``opened`` opens whatever one process needs (Redis, background tasks), yields how to register the
    handlers, and closes it all on the way out. ``book`` is for a service whose policies are not generations.
    """

    grpc_service: str
    policy_file: str
    load_policy: Callable[[bytes], PolicyT]
    opened: Callable[[Values, PolicyBook[PolicyT]], AbstractAsyncContextManager[Register]]
    book: "Callable[[Values, Worker[PolicyT]], PolicyBook[PolicyT]]" = lambda values, worker: PolicyBook(
        values["state_dir"], worker.policy_file, worker.load_policy
    )


def run(service: Service, values: Values, address: str, report: Path) -> int:
    """Serve until SIGTERM, SIGINT or the end of the parent (its end of our stdin closes). Returns the exit code.

    0, or 1 when the policy files could not be followed any longer.
    """
    if sys.platform == "win32":
        return asyncio.run(_serve(service, values, address, report))
    import uvloop  # noqa: PLC0415 - does not exist on Windows

    return int(uvloop.run(_serve(service, values, address, report)))


async def _serve(service: Service, values: Values, address: str, report: Path) -> int:
    worker = service.worker()
    asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
    policies = worker.book(values, worker)
    policies.refresh()
    server = grpc.aio.server(options=GRPC_OPTIONS)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    async with worker.opened(values, policies) as register, _stopped() as stopped:
        register(server)
        server.add_insecure_port(address)  # raises RuntimeError when it cannot

        async def publish() -> None:
            """Health and status say the same: ready once there is a policy to obey."""
            ready = bool(policies.revisions)
            status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
            await health_servicer.set(worker.grpc_service, status)
            await health_servicer.set("", status)
            _write(report, policies, ready=ready)

        async def follow() -> None:
            async for _ in policies.follow():
                await publish()

        await publish()  # before the first call can be asked: health must know the service by then
        await server.start()
        following = asyncio.create_task(follow())
        # a service that no longer follows its policy must not look healthy: it ends, and is started again
        following.add_done_callback(lambda _: stopped.set())
        log.info("serving", extra={"service": service.name, "address": address})
        await stopped.wait()
        failed = following.done()
        following.cancel()
        [outcome] = await asyncio.gather(following, return_exceptions=True)
        if failed:
            log.critical("policy watch failed", exc_info=outcome)

        log.info("draining", extra={"seconds": values["drain_seconds"]})
        _write(report, policies, ready=False)
        await health_servicer.enter_graceful_shutdown()
        await server.stop(values["drain_seconds"])
    log.info("stopped")
    return 1 if failed else 0


@contextlib.asynccontextmanager
async def _stopped() -> AsyncIterator[asyncio.Event]:
    """An event that is set by SIGTERM, SIGINT, or the parent's death."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    def parent_gone() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()

    loop.add_reader(sys.stdin.fileno(), parent_gone)
    try:
        yield stopped
    finally:
        loop.remove_reader(sys.stdin.fileno())


def _write(report: Path, policies: PolicyBook[PolicyT], *, ready: bool) -> None:
    """Tell the parent, which answers /status for all workers, what this one has loaded."""
    document = {
        "pid": os.getpid(),
        "ready": ready,
        "current": policies.current.revision if policies.current else None,
        "revisions": policies.revisions,
        "rejected": policies.rejected,
    }
    fresh = report.with_suffix(".tmp")
    fresh.write_text(json.dumps(document))
    fresh.replace(report)
