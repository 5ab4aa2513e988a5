"""What a service says about itself, for all workers together: status, health."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serving.endpoint import Body, json_body


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
