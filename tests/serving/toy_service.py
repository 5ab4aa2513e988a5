"""A service with nothing of its own: what happens to it is the doing of ``serving``."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from prometheus_client import Counter, Gauge

from serving import supervisor
from serving.policies import PolicyBook
from serving.service import Service
from serving.settings import Setting, Values, redis_url
from serving.worker import Register, Worker

GRPC_SERVICE = "toy.Toy"
CALLS = Counter("toy_calls", "Calls answered.")
UP = Gauge("toy_up", "1 in every worker that lives.", multiprocess_mode="livesum")


@dataclass(frozen=True)
class Policy:
    revision: str


def load(document: bytes) -> Policy:
    revision = json.loads(document)["revision"]
    if revision == "crash":
        raise RuntimeError("secret")
    return Policy(revision)


async def call(request: bytes, _: Any) -> bytes:
    """Answers with the pid, once the one who listens on the Unix socket named by ``request`` has hung up on us."""
    if request == b"lost-task":

        async def lost() -> None:
            raise ValueError("secret")

        asyncio.create_task(lost())  # noqa: RUF006 - nobody is to look after it
    elif request:
        reader, writer = await asyncio.open_unix_connection(request.decode())
        await reader.read()
        writer.close()
    CALLS.inc()
    return str(os.getpid()).encode()


@contextlib.asynccontextmanager
async def open_worker(values: Values, policies: PolicyBook[Policy]) -> AsyncIterator[Register]:
    if (values["state_dir"] / "cannot-start").exists():
        raise RuntimeError("secret")
    UP.set(1)
    handler = grpc.method_handlers_generic_handler(GRPC_SERVICE, {"Call": grpc.unary_unary_rpc_method_handler(call)})
    yield lambda server: server.add_generic_rpc_handlers((handler,))


WORKER = Worker(grpc_service=GRPC_SERVICE, policy_file="toy.json", load_policy=load, opened=open_worker)
SERVICE = Service(
    name="toy_service",
    worker=lambda: WORKER,
    settings=(Setting("redis-url", redis_url, "redis://127.0.0.1", "unused"),),
)

if __name__ == "__main__":
    sys.exit(supervisor.main(SERVICE))
