"""status with real Envoys: what each obeys, why it does not, and that nobody who is silent holds up the others."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout import history, journal
from gatectl.rollout.apply import Order, apply
from gatectl.rollout.envoy_admin import KINDS
from gatectl.rollout.journal import Journal
from gatectl.rollout.records import write_record
from gatectl.rollout.stages import CDS, LDS, RDS
from gatectl.rollout.targets import Targets
from gatectl.spec.load import load
from gatectl.spec.record import Record, record
from tests.gatectl.gateways import Gateway, until
from tests.gatectl.observed import SECRET, look, only, place, put_back, rendered, runs
from tests.gatectl.specs import route, text

# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Gateway, Bundle]]:
    with place() as gateway:
        first = rendered(gateway, "a")
        gateway.start(first)
        yield gateway, first


@pytest.fixture
def at_first(shared: tuple[Gateway, Bundle]) -> Iterator[tuple[Gateway, Bundle]]:
    """The same Envoy for many tests: each finds it obeying its first revision, and nothing else known of it."""
    gateway, first = shared
    yield gateway, first
    put_back(gateway, first)


def spoilt(good: Bundle, file: str) -> Bundle:
    """Broken in a way that only Envoy notices."""
    document = json.loads(good.files[file])
    if file == RDS:
        document["resources"][0]["virtual_hosts"][0]["routes"][0]["match"] = {"safe_regex": {"regex": f"({SECRET}"}}
    elif file == CDS:
        bad = json.dumps(document["resources"][0]).replace("127.0.0.1", "not an address")
        document["resources"] = [json.loads(bad)]
    else:
        document["resources"][0]["address"]["socket_address"]["address"] = "not an address"
    return replace(good, files={**good.files, file: json.dumps(document).encode()})


def shown(gateway: Gateway, bad: Bundle, file: str, kept: Record | None = None) -> None:
    """Put in force without anybody waiting for Envoy, as --no-wait does; returns when it has refused."""
    before = gateway.admin.report()
    assert before is not None
    gateway.store.write(bad)
    if kept is not None:
        write_record(gateway.directory, bad.revision, kept)
    gateway.store.switch("current", bad.revision)
    kind = Path(file).stem

    def settled() -> bool:
        report = gateway.admin.report()
        others = [name for name in KINDS if name != kind]
        return (
            report is not None
            and report.refused_since(before) == [kind]
            and all(report.kinds[name].version == bad.revision for name in others)
        )

    until(settled, "Envoy refuses")


def test_an_envoy_that_obeys_is_synced_with_the_age_of_what_it_took(at_first: tuple[Gateway, Bundle]) -> None:
    gateway, first = at_first
    started = datetime.now(UTC)
    status = look(gateway)
    node = only(status)
    assert status.healthy
    assert {name: (kind.state, kind.version) for name, kind in node.kinds.items()} == dict.fromkeys(
        KINDS, ("synced", first.revision)
    )
    assert all(kind.taken_at is not None and kind.taken_at < started for kind in node.kinds.values())
    assert node.info is not None
    assert (node.info.version, node.info.live) == ("1.40.0", True)
    assert 0 <= status.data()["nodes"][0]["kinds"]["rds"]["age_seconds"] < 120
    gateway.store.switch("current", first.revision)
    until(lambda: (only(look(gateway)).kinds["rds"].taken_at or started) > started, "it takes the file again")


@pytest.mark.parametrize(
    ("file", "words"), [(RDS, "missing ): "), (CDS, "malformed IP address: not an address"), (LDS, "not an address")]
)
def test_a_file_that_envoy_refuses_is_rejected_with_its_words(
    at_first: tuple[Gateway, Bundle], tmp_path: Path, file: str, words: str
) -> None:
    gateway, _ = at_first
    bad = spoilt(rendered(gateway, "a", "b"), file)
    shown(gateway, bad, file, nothing_secret(tmp_path))
    runs(gateway)
    status = look(gateway)
    kinds = only(status).kinds
    assert {name: kind.state for name, kind in kinds.items()} == dict.fromkeys(KINDS, "synced") | {
        Path(file).stem: "rejected"
    }
    assert words in (kinds[Path(file).stem].reason or "")
    assert only(status).state == "rejected"
    assert not status.healthy


def nothing_secret(directory: Path) -> Record:
    return record_of(directory, text(name="small"))


def record_of(directory: Path, content: str) -> Record:
    path = directory / "gateway.yaml"
    path.write_text(content)
    spec, tree = load([str(path)], {"WORD": SECRET, "HOST": "127.0.0.1"})
    return record(spec, tree, [str(path)], b"k")


def secret_route(directory: Path) -> Record:
    return record_of(directory, text(routes=[route("a", {"path": "/${WORD}"})]))


def secret_upstream(directory: Path) -> Record:
    return record_of(directory, text(upstreams={"u": {"endpoints": ["${HOST}:9001"]}}))


@pytest.mark.parametrize(
    ("file", "kept", "told"),
    [
        pytest.param(RDS, secret_route, False, id="words-about-nothing-in-particular"),
        pytest.param(CDS, secret_upstream, False, id="words-that-name-what-is-secret"),
        pytest.param(CDS, secret_route, True, id="words-that-name-an-upstream-without-a-secret"),
        pytest.param(RDS, None, False, id="a-spec-that-nobody-knows"),
    ],
)
def test_words_that_may_repeat_a_secret_stay_in_the_log(
    at_first: tuple[Gateway, Bundle], tmp_path: Path, file: str, kept: Any, told: bool
) -> None:
    gateway, _ = at_first
    bad = spoilt(rendered(gateway, "a", "b", "c"), file)
    (gateway.directory / "generations" / bad.revision / "spec.json").unlink(missing_ok=True)
    shown(gateway, bad, file, kept(tmp_path) if kept else None)
    runs(gateway)
    status = look(gateway)
    reason = only(status).kinds[Path(file).stem].reason or ""
    assert ("malformed IP address" in reason) is told
    assert ("its words stay in its log" in reason) is not told
    assert SECRET not in json.dumps(status.data())


def test_without_a_log_only_a_listeners_reason_is_known(at_first: tuple[Gateway, Bundle], tmp_path: Path) -> None:
    gateway, first = at_first
    for file, words in ((RDS, "see its log"), (LDS, "not an address")):
        bad = spoilt(rendered(gateway, "a", "without", Path(file).stem), file)
        shown(gateway, bad, file, nothing_secret(tmp_path))
        assert words in (only(look(gateway)).kinds[Path(file).stem].reason or "")
        gateway.store.switch("current", first.revision)
        until(lambda: gateway.versions() == dict.fromkeys(KINDS, first.revision), "Envoy is back")


def test_after_a_refused_apply_it_obeys_what_is_in_force_and_says_what_it_refused(
    at_first: tuple[Gateway, Bundle],
) -> None:
    gateway, first = at_first
    with pytest.raises(GatectlError):
        gateway.apply(spoilt(rendered(gateway, "a", "refused"), RDS))
    until(lambda: gateway.versions() == dict.fromkeys(KINDS, first.revision), "Envoy is back")
    status = look(gateway)
    assert status.healthy
    assert "× since its start" in (only(status).kinds["rds"].reason or "")


def test_an_envoy_on_another_revision_is_stale(at_first: tuple[Gateway, Bundle], tmp_path: Path) -> None:
    """It watches another directory: that it refused something long ago does not make it a rejection."""
    gateway, first = at_first
    elsewhere, second = Gateway(tmp_path), rendered(gateway, "a", "b")
    apply(second, elsewhere.store, Targets(), 1, elsewhere.note)
    os.utime(tmp_path / "current", (0, 0), follow_symlinks=False)  # shown before Envoy read anything
    elsewhere.admin.close()
    status = look(elsewhere, gateway.admin.address)
    assert {kind.state for kind in only(status).kinds.values()} == {"stale"}
    assert only(status).kinds["rds"].reason == f"is at {first.revision}, not {second.revision}"
    assert not status.healthy


def test_while_a_rollout_is_under_way_what_has_not_arrived_is_pending(at_first: tuple[Gateway, Bundle]) -> None:
    gateway, first = at_first
    coming = Journal(action="apply", revision="coming", previous=first.revision, by="alice", began_at=history.now())
    journal.begin(gateway.directory, coming)
    interrupted = look(gateway)
    assert (interrupted.data()["rollout"]["state"], only(interrupted).state) == ("interrupted", "synced")
    assert interrupted.healthy, "what is in force is obeyed"
    with gateway.store.lock():
        under_way = look(gateway)
    assert (under_way.data()["rollout"]["state"], only(under_way).state) == ("under way", "pending")
    assert under_way.data()["rollout"]["by"] == "alice"
    assert not under_way.healthy


def test_what_is_in_force_is_told_with_who_when_and_what_was_before() -> None:
    with place() as gateway:
        first, second = rendered(gateway, "a"), rendered(gateway, "a", "b")
        for one, who in ((first, "alice"), (second, "bob")):
            apply(one, gateway.store, Targets(), 1, gateway.note, Order(by=who))
        data = look(gateway).data()
    assert (data["revision"], data["previous"]) == (second.revision, first.revision)
    assert (data["by"], data["action"]) == ("bob", "apply")
    assert datetime.fromisoformat(data["since"]) <= datetime.now(UTC)
    assert data["healthy"] is False
