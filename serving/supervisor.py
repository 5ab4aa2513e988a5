"""The parent process of a service: reserves the port, keeps the workers alive, answers for all of them.

It imports next to nothing: each service has one, beside the processes that work, and starts with it.

Workers share the gRPC port by SO_REUSEPORT, so the kernel spreads connections over them.
"""

import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from serving import logs, overview, settings
from serving.endpoint import Body, Endpoint, json_body
from serving.service import Service
from serving.workers import Workers

log = logging.getLogger(__name__)

WORKER = "SERVING_WORKER"
"""Set in a worker's environment: ``<address> <report file>``."""
LOOK_SECONDS = 0.5
"""How often the workers are looked after."""
KILL_SECONDS = 2
"""What a worker gets beyond the time to drain, before it is killed."""


class CannotListenError(Exception):
    """An address cannot be had: taken, not of this machine, or not allowed."""

    def __init__(self, setting: str, address: tuple[str, int], error: OSError) -> None:
        super().__init__(f"cannot listen on {join(*address)} (--{setting}): {error.strerror}")


def main(service: Service, argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT.

    Returns the exit code: 0, or 1 when an address is taken or there is no policy directory. Raises SystemExit(64) for
    a bad setting.
    """
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    values = settings.read(service.name.replace("_", "-"), service.all_settings, argv, environ)
    logs.configure(values["log_level"])
    if WORKER in environ:
        address, _, report = environ[WORKER].partition(" ")
        from serving import worker  # noqa: PLC0415 - with gRPC, which the parent does without

        return worker.run(service, values, address, Path(report))
    directory = values[service.directory.key]
    if not directory.is_dir():
        what = service.directory.name.removesuffix("-dir").replace("-", " ")
        log.critical(f"the {what} directory does not exist", extra={service.directory.key: directory})
        return 1
    mistakes = service.mistakes(values)
    for mistake in mistakes:
        log.critical("cannot start", extra={"reason": mistake})
    if mistakes:
        return 1
    command = [sys.executable, "-m", service.name, *argv]
    try:
        with _reserved(values["listen"]) as address, tempfile.TemporaryDirectory(prefix="gate-") as run_dir:
            workers = Workers(command, environ, WORKER, address, Path(run_dir), values["workers"])
            _supervise(service, values, address, Path(run_dir), workers)
    except CannotListenError as error:
        log.critical(str(error))
        return 1
    return 0


def _supervise(service: Service, values: settings.Values, address: str, run_dir: Path, workers: Workers) -> None:
    # a queue and not an Event: only SimpleQueue.put may interrupt its own get, which a signal handler does
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stop.put(received))
    about = (service.name, address, workers.reports)
    pages = {
        **service.pages(values),
        "/metrics": lambda: _metrics(run_dir),
        "/status": lambda: json_body(200, overview.status(*about)),
        "/healthz": lambda: overview.healthz(*about),
    }
    try:
        endpoint = Endpoint(values["http"], pages)
    except OSError as error:
        raise CannotListenError("http", values["http"], error) from error
    endpoint.start()
    log.info("started", extra={"service": service.name, "grpc": address, "http_port": endpoint.port})
    try:
        while True:
            workers.keep_up()
            with contextlib.suppress(queue.Empty):
                stop.get(timeout=LOOK_SECONDS)
                break
    finally:
        workers.stop(values["drain_seconds"] + KILL_SECONDS)
        endpoint.close()


def _metrics(run_dir: Path) -> Body:
    from serving import metrics  # noqa: PLC0415 - prometheus_client, before anybody asks

    return metrics.page(run_dir)


@contextlib.contextmanager
def _reserved(address: tuple[str, int]) -> Iterator[str]:
    """Hold the port without listening, so that workers may come and go. Raises CannotListenError."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as holder:
        try:
            if port:
                with socket.socket(family) as probe:  # without SO_REUSEPORT: refuses to share with a stranger
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(address)
        except OSError as error:
            raise CannotListenError("listen", address, error) from error
        yield join(host, holder.getsockname()[1])


def join(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
