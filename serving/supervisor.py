"""The parent process of a service: reserves the port, keeps the workers alive, answers for all of them.

Workers share the gRPC port by SO_REUSEPORT, so the kernel spreads connections over them. They learn of the parent's
end by their stdin, so that none outlives it, however it ends.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

from serving import logs, settings
from serving.endpoint import Body, Endpoint, json_body
from serving.service import Document, Service

log = logging.getLogger(__name__)
PolicyT = TypeVar("PolicyT", bound=Document)

WORKER = "SERVING_WORKER"
"""Set in a worker's environment: ``<address> <report file>``."""
RESTART_SECONDS = 0.5
"""A worker that died is started again after this long, so that one that cannot start does not spin."""


def main(service: Service[PolicyT], argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT. Returns the exit code: 0, or 1 when an address is taken.

    Raises SystemExit(64) for a bad setting.
    """
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    values = settings.read(service.name.replace("_", "-"), settings.SERVING + service.settings, argv, environ)
    if WORKER in environ:
        from serving import worker  # noqa: PLC0415 - the parent needs no gRPC

        address, _, report = environ[WORKER].partition(" ")
        return worker.run(service, values, address, Path(report))

    logs.configure(values["log_level"])
    if not values["state_dir"].is_dir():
        log.error("the state directory does not exist", extra={"state_dir": str(values["state_dir"])})
        return 1
    try:
        with _reserved(values["listen"]) as address, tempfile.TemporaryDirectory(prefix="gate-") as run_dir:
            return _supervise(service, argv, environ, values, address, Path(run_dir))
    except OSError as error:
        log.error("cannot start", extra={"error": str(error), "listen": values["listen"], "http": values["http"]})
        return 1


def _supervise(
    service: Service[Any],
    argv: Sequence[str],
    environ: Mapping[str, str],
    values: settings.Values,
    address: str,
    run_dir: Path,
) -> int:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    reports = [run_dir / f"worker-{index}.json" for index in range(values["workers"])]
    endpoint = Endpoint(
        values["http"],
        {
            "/metrics": lambda: metrics(run_dir),
            "/status": lambda: json_body(200, status(service.name, address, reports)),
            "/healthz": lambda: healthz(service.name, address, reports),
        },
    )
    endpoint.start()
    log.info("started", extra={"service": service.name, "grpc": address, "http_port": endpoint.port})

    def start(report: Path) -> subprocess.Popen[bytes]:
        environment = dict(environ) | {WORKER: f"{address} {report}", "PROMETHEUS_MULTIPROC_DIR": str(run_dir)}
        return subprocess.Popen(
            [sys.executable, "-m", service.name, *argv], env=environment, stdin=subprocess.PIPE, start_new_session=True
        )

    workers = {report: start(report) for report in reports}
    while not stop.wait(RESTART_SECONDS):
        for report, process in workers.items():
            if process.poll() is not None:
                log.error("worker ended, starting another", extra={"pid": process.pid, "code": process.returncode})
                report.unlink(missing_ok=True)
                multiprocess.mark_process_dead(process.pid, str(run_dir))  # type: ignore[no-untyped-call]
                workers[report] = start(report)
    for process in workers.values():
        process.terminate()
    deadline = time.monotonic() + values["drain_seconds"] + 2
    for process in workers.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.wait()
    endpoint.close()
    return 0


@contextlib.contextmanager
def _reserved(address: tuple[str, int]) -> Iterator[str]:
    """Hold the port without listening, so that workers may come and go. Raises OSError when somebody listens there."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    host = host.strip("[]")
    if port:
        with socket.socket(family) as probe:  # without SO_REUSEPORT: refuses to share with a stranger
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    with socket.socket(family) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
        bound = holder.getsockname()[1]
        yield f"[{host}]:{bound}" if family == socket.AF_INET6 else f"{host}:{bound}"


def metrics(run_dir: Path) -> Body:
    """The sum over all workers, in the Prometheus text format."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=str(run_dir))  # type: ignore[no-untyped-call]
    return 200, CONTENT_TYPE_LATEST, generate_latest(registry)


def status(name: str, address: str, reports: Sequence[Path]) -> dict[str, Any]:
    """What all workers agree on: a revision counts as loaded when every worker has it."""
    documents = []
    for report in reports:
        with contextlib.suppress(OSError, ValueError):
            documents.append(json.loads(report.read_text()))
    complete = len(documents) == len(reports)
    currents = {document["current"] for document in documents}
    return {
        "service": name,
        "address": address,
        "ready": complete and all(document["ready"] for document in documents),
        "current": currents.pop() if complete and len(currents) == 1 else None,
        "revisions": [
            revision
            for revision in (documents[0]["revisions"] if complete else [])
            if all(revision in document["revisions"] for document in documents)
        ],
        "rejected": {slot: reason for document in documents for slot, reason in document["rejected"].items()},
        "workers": len(reports),
        "workers_up": len(documents),
    }


def healthz(name: str, address: str, reports: Sequence[Path]) -> Body:
    """200 when every worker has a policy to obey, else 503."""
    ready = status(name, address, reports)["ready"]
    return json_body(200 if ready else 503, {"ready": ready})
