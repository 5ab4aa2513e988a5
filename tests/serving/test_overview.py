import json
from pathlib import Path

import pytest

from serving import metrics, overview


def report(directory: Path, index: int, **said: object) -> Path:
    file = directory / f"worker-{index}.json"
    document = {"pid": index, "ready": True, "current": "b", "revisions": ["a", "b"], "rejected": {}} | said
    file.write_text(json.dumps(document))
    return file


def test_what_all_workers_have_is_what_the_service_has(tmp_path: Path) -> None:
    reports = [report(tmp_path, 0), report(tmp_path, 1)]
    assert overview.status("s", "h:1", reports) == {
        "service": "s",
        "address": "h:1",
        "ready": True,
        "current": "b",
        "revisions": ["a", "b"],
        "rejected": {},
        "workers": 2,
        "workers_up": 2,
    }
    assert overview.healthz("s", "h:1", reports)[0] == 200


def test_a_revision_that_one_worker_lacks_is_not_loaded_and_a_refusal_by_one_is_told(tmp_path: Path) -> None:
    rejected = {"current": "why"}
    reports = [report(tmp_path, 0), report(tmp_path, 1, current="a", revisions=["a"], rejected=rejected)]
    status = overview.status("s", "h:1", reports)
    assert (status["current"], status["revisions"], status["rejected"]) == (None, ["a"], rejected)


@pytest.mark.parametrize("broken", ["", "{", None], ids=["empty", "half", "missing"])
def test_a_worker_that_has_not_reported_counts_as_down(tmp_path: Path, broken: str | None) -> None:
    second = tmp_path / "worker-1.json"
    if broken is not None:
        second.write_text(broken)
    reports = [report(tmp_path, 0), second]
    status = overview.status("s", "h:1", reports)
    assert (status["ready"], status["current"], status["revisions"], status["workers_up"]) == (False, None, [], 1)
    assert overview.healthz("s", "h:1", reports)[0] == 503


def test_a_service_is_ready_only_when_each_worker_is(tmp_path: Path) -> None:
    reports = [report(tmp_path, 0), report(tmp_path, 1, ready=False)]
    assert overview.healthz("s", "h:1", reports)[0] == 503


def test_metrics_can_be_read_while_a_worker_is_just_creating_its_files(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").touch()
    assert metrics.page(tmp_path)[0] == 200
