"""A rollout with a real Envoy: it converges, or what was in force before is in force again, and nobody notices."""

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout.apply import apply
from gatectl.rollout.converge import Event
from gatectl.rollout.stages import CDS, LDS, RDS
from gatectl.rollout.targets import Targets
from tests.gatectl.gateways import Gateway, unguarded, until
from tests.gatectl.specs import bundle, route
from tests.gatectl.traffic import Backend, Traffic

KINDS = ("lds", "cds", "rds")
# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(prefix="gc-") as directory:  # a socket's path must be short
        gateway = Gateway(Path(directory))
        try:
            yield gateway
        finally:
            gateway.stop()


def rendered(gateway: Gateway, upstreams: dict[str, int], **routes: str) -> Bundle:
    """``name=upstream`` makes a route ``/name`` to that upstream."""
    return bundle(
        gateway.directory,
        listener={"address": "127.0.0.1", "port": gateway.port},
        upstreams={name: {"endpoints": [f"127.0.0.1:{port}"]} for name, port in upstreams.items()},
        routes=[route(name, {"path": f"/{name}"}, upstream=upstream) for name, upstream in routes.items()],
    )


def clusters(gateway: Gateway) -> set[str]:
    """The upstreams that Envoy really has, whatever it reports as its version."""
    text = gateway.admin._client.get("/clusters").text
    return {line.partition("::")[0] for line in text.splitlines() if line.startswith("upstream-")}


def test_a_revision_converges_and_the_same_again_touches_nothing(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"u": 1}, a="u", b="u")
    gateway.start(first)
    assert gateway.get("/nowhere")[0] == 404

    receipt = gateway.apply(second)
    assert (receipt.revision, receipt.previous, receipt.changed) == (second.revision, first.revision, True)
    assert receipt.proven == ("envoy",)
    assert gateway.versions() == dict.fromkeys(KINDS, second.revision)
    assert gateway.store.generation("current") == second.revision

    reads, written = gateway.reads(), (gateway.directory / "current").lstat()
    receipt = gateway.apply(second)
    assert (receipt.changed, receipt.proven) == (False, ("envoy",))
    assert gateway.reads() == reads, "Envoy was made to read its files again"
    assert (gateway.directory / "current").lstat() == written

    assert gateway.apply(first).changed
    assert gateway.versions() == dict.fromkeys(KINDS, first.revision)


def test_an_envoy_that_missed_the_switch_is_told_again(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"u": 1}, a="u", b="u")
    gateway.start(first)
    gateway.store.write(second)
    current = gateway.directory / "current"
    current.unlink()
    current.symlink_to(f"generations/{second.revision}")  # made, not renamed: Envoy does not look at that
    assert gateway.versions() == dict.fromkeys(KINDS, first.revision)

    receipt = gateway.apply(second)
    assert (receipt.changed, receipt.proven) == (False, ("envoy",))
    assert gateway.versions() == dict.fromkeys(KINDS, second.revision)


def spoilt(good: Bundle, file: str, how: str) -> Bundle:
    """The bundle with one of Envoy's files broken after it was built and checked."""
    document = json.loads(good.files[file])
    resource: dict[str, Any] = document["resources"][0]
    if how == "unreadable":
        return replace(good, files={**good.files, file: b"{"})
    if how == "unknown field":
        resource["unknown_field"] = 1
    elif file == RDS:
        resource["virtual_hosts"][0]["routes"][0]["match"] = {"safe_regex": {"regex": "a("}}
    elif file == CDS:
        text = json.dumps(resource | {"name": "upstream-bad"}).replace("127.0.0.1", "not an address")
        document["resources"].append(json.loads(text))
    else:
        resource["address"]["socket_address"]["address"] = "not an address"
    return replace(good, files={**good.files, file: json.dumps(document).encode()})


REFUSALS = [
    (RDS, "bad value", "missing ): a("),
    (RDS, "unknown field", "unknown_field"),
    (RDS, "unreadable", "rds.json"),
    (CDS, "bad value", "malformed IP address: not an address"),
    (CDS, "unknown field", "unknown_field"),
    (LDS, "bad value", "not an address"),
    (LDS, "unreadable", "lds.json"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Gateway, Bundle]]:
    """One gateway for all the refusals: each must leave it as it was."""
    with tempfile.TemporaryDirectory(prefix="gc-") as directory:
        gateway = Gateway(Path(directory))
        try:
            first = rendered(gateway, {"u": 1, "v": 2}, a="u", b="v")
            gateway.start(first)
            yield gateway, first
        finally:
            gateway.stop()


@pytest.mark.parametrize(("file", "how", "reason"), REFUSALS, ids=[f"{file[6:9]} {how}" for file, how, _ in REFUSALS])
def test_what_envoy_refuses_is_put_back_and_told(
    running: tuple[Gateway, Bundle], file: str, how: str, reason: str
) -> None:
    gateway, first = running
    bad = spoilt(rendered(gateway, {"w": 3, "v": 2}, a="w", b="v"), file, how)
    with pytest.raises(GatectlError) as caught:
        gateway.apply(bad)
    assert caught.value.exit_code == 4
    assert f"rejects {file[6:9]}: " in str(caught.value)
    assert reason in str(caught.value)
    assert ".cc:" not in str(caught.value), "where in Envoy's source it happened helps nobody"
    assert "\n" not in str(caught.value)
    assert (gateway.store.generation("current"), gateway.store.generation("next")) == (first.revision, None)
    until(lambda: gateway.versions() == dict.fromkeys(KINDS, first.revision), "Envoy obeys the previous revision")
    until(lambda: clusters(gateway) == {"upstream-u", "upstream-v"}, "what Envoy took of the bad file is gone")
    assert gateway.get("/nowhere")[0] == 404
    assert not gateway.apply(first).changed


def test_an_envoy_that_cannot_be_reached_changes_nothing(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"v": 1}, a="v")
    apply(first, gateway.store, Targets(), 1, gateway.note)
    before = (gateway.directory / "current").lstat()
    with pytest.raises(GatectlError, match="cannot be reached") as caught:
        gateway.apply(second, timeout=0.1)
    assert caught.value.exit_code == 5
    assert (gateway.directory / "current").lstat() == before
    assert gateway.store.generation("next") is None


def test_an_envoy_that_never_takes_over_is_given_up_and_all_is_put_back(gateway: Gateway, tmp_path: Path) -> None:
    """It answers, and watches another directory: what it obeys does not change."""
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"u": 1}, a="u", b="u")
    gateway.start(first)
    elsewhere = Gateway(tmp_path)
    apply(first, elsewhere.store, Targets(), 1, gateway.note)
    with pytest.raises(GatectlError, match=r"did not take over .* within 0\.2 s") as caught:
        apply(second, elsewhere.store, gateway.targets, 0.2, gateway.note)
    elsewhere.admin.close()
    assert caught.value.exit_code == 5
    assert elsewhere.store.generation("current") == first.revision
    assert gateway.progress[-1] == f"putting {first.revision} back"


def test_an_interrupted_apply_puts_back_what_was_there(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"v": 1}, a="v")
    gateway.start(first)

    def interrupt(event: Event) -> None:
        gateway.note(event)
        if str(event) == f"switching to {second.revision}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(second, gateway.store, gateway.targets, 20, interrupt)
    assert gateway.store.generation("current") == first.revision
    until(lambda: gateway.versions() == dict.fromkeys(KINDS, first.revision), "Envoy is back")
    until(lambda: clusters(gateway) == {"upstream-u"}, "the clusters are back")


def test_of_two_applies_at_once_the_second_refuses_and_the_first_converges(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"u": 1}, a="u", b="u")
    gateway.start(first)
    under_way, go_on = threading.Event(), threading.Event()

    def pause(_: Event) -> None:
        under_way.set()
        assert go_on.wait(20)

    thread = threading.Thread(target=apply, args=(second, gateway.store, gateway.targets, 20, pause))
    thread.start()
    try:
        assert under_way.wait(20)
        with pytest.raises(GatectlError, match="another apply is under way"):
            gateway.apply(first)
    finally:
        go_on.set()
        thread.join()
    assert gateway.versions() == dict.fromkeys(KINDS, second.revision)


def test_the_way_leads_over_generations_of_passage(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"v": 1}, a="v")
    gateway.start(first)
    gateway.progress.clear()
    gateway.apply(second)
    names = [first.revision + "+" + second.revision, second.revision + "+" + first.revision, second.revision]
    assert gateway.progress == [
        f"no service is named, so nobody knows whether they have loaded {second.revision}: --service names one",
        *(f"switching to {name}" for name in names),
    ]
    assert {path.name for path in (gateway.directory / "generations").iterdir()} == {first.revision, second.revision}


def test_no_request_is_lost_while_clusters_come_go_and_move(gateway: Gateway) -> None:
    with ExitStack() as stack:
        backend = stack.enter_context(Backend("xyz"))
        x, y, z = (backend.ports[name] for name in "xyz")
        revisions = [
            ({"u": x, "v": y}, {"a": "u", "b": "v"}),
            ({"u": x, "v": y, "w": z}, {"a": "u", "b": "v", "c": "w"}),  # one comes
            ({"u": x, "v": y}, {"a": "u", "b": "v"}),  # and goes
            ({"renamed": x, "v": y}, {"a": "renamed", "b": "v"}),
            ({"u": z, "v": y}, {"a": "u", "b": "v"}),  # renamed and moved
            ({"u": x, "v": z}, {"a": "u", "b": "v"}),  # moved under their names
            ({"u": y, "v": x}, {"a": "v", "b": "u"}),  # crossed over
            ({"one": x}, {"a": "one", "b": "one"}),  # two become one
            ({"p": x, "q": y, "r": z}, {"b": "q", "a": "p"}),  # one becomes three, in another order
            ({"q": x, "r": y, "p": z}, {"a": "r", "b": "p", "c": "q"}),
        ]
        bundles = [unguarded(rendered(gateway, upstreams, **routes)) for upstreams, routes in revisions]
        gateway.start(bundles[-1])
        clients = [stack.enter_context(Traffic(gateway.port, path)) for path in ("/a", "/b")]
        for one in bundles:
            gateway.apply(one)
            seen = [sum(client.answers.values()) for client in clients]
            until(
                lambda seen=seen: all(sum(c.answers.values()) > n + 5 for c, n in zip(clients, seen, strict=True)),
                "requests",
            )
    for client in clients:
        assert {answer[:3] for answer in client.answers} == {"200"}, client.answers
        assert sum(client.answers.values()) > 60


def test_an_envoy_that_is_restarted_in_the_middle_of_an_apply_takes_over_all_the_same(gateway: Gateway) -> None:
    """It dies after it has got the new clusters, and the one that comes up in its place begins with new counters."""
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"v": 1}, a="v")
    gateway.start(first)
    restarted: list[str] = []

    def restart_once(event: Event) -> None:
        gateway.note(event)
        if event.part == "cds" and not restarted:
            restarted.append(event.message)
            gateway.restart()

    receipt = apply(second, gateway.store, gateway.targets, 20, restart_once)
    assert restarted == [f"cds {first.revision}+{second.revision}"]
    assert receipt.changed
    assert gateway.versions() == dict.fromkeys(KINDS, second.revision)
    assert clusters(gateway) == {"upstream-v"}


def test_an_envoy_that_dies_in_the_middle_and_stays_away_takes_the_apply_back(gateway: Gateway) -> None:
    first, second = rendered(gateway, {"u": 1}, a="u"), rendered(gateway, {"v": 1}, a="v")
    gateway.start(first)

    def kill(event: Event) -> None:
        if event.part == "cds" and gateway.process is not None:
            gateway.process.kill()

    with pytest.raises(GatectlError) as caught:
        apply(second, gateway.store, gateway.targets, 0.3, kill)
    assert caught.value.exit_code == 5
    assert (gateway.store.generation("current"), gateway.store.generation("next")) == (first.revision, None)
