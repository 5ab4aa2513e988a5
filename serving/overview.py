"""What a service says about itself, for all workers together: metrics, status, health."""

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serving.endpoint import Body, json_body


def metrics(run_dir: Path) -> Body:
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
    """200 when every worker has a policy to obey and none is on its way out, else 503."""
    ready = status(name, address, reports)["ready"]
    return json_body(200 if ready else 503, {"ready": ready})
