"""The metrics of a service, for all workers together. Imported when somebody first asks for them."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serving.endpoint import Body


def page(run_dir: Path) -> Body:
    """The sum over all workers, dead ones included, in the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Workers(run_dir))
    return 200, CONTENT_TYPE_LATEST, generate_latest(registry)


class _Workers(Collector):
    """The metrics of all workers. Unlike the library's own collector it survives a worker that is just starting."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._run_dir.glob("*.db") if _size(file)]  # a new file is empty at first
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # untyped there
        return merged


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # its worker was just buried
        return 0
