"""Whoever looks at a gateway sees everybody, and nobody who is silent holds up the others."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle
from gatectl.rollout import bootstrap, observer
from gatectl.rollout.envoy_admin import KINDS
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.rollout.observer import Observer
from tests.gatectl.gateways import NOBODY, Gateway, until
from tests.gatectl.observed import SECRET, look, only, place, put_back, rendered, runs

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


@contextmanager
def canary_of(gateway: Gateway) -> Iterator[str]:
    """A second Envoy, with a directory of its own; yields its admin's address."""
    socket = str(gateway.directory / "c")
    path = bootstrap.write(gateway.directory, "small", "canary", socket, NOBODY, NOBODY)
    command = [str(find_envoy()), "-c", str(path), "--disable-hot-restart", "--concurrency", "1", "-l", "error"]
    process = subprocess.Popen(command, cwd=path.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: look(gateway, socket).nodes[0].state == "synced", "the canary is up")
        yield socket
    finally:
        process.kill()
        process.wait()


def test_a_node_with_a_directory_of_its_own_is_judged_by_what_everybody_should_obey(tmp_path: Path) -> None:
    with place() as gateway:
        first = rendered(gateway, "a")
        gateway.start(first)
        with canary_of(gateway) as canary:
            both = look(gateway, gateway.admin.address, canary)
            assert {node.name: node.state for node in both.nodes} == {
                gateway.admin.address: "synced",
                "canary": "synced",
            }
            assert both.healthy
            second = rendered(gateway, "a", "b")
            gateway.store.write(second)
            gateway.store.switch("current", second.revision)
            until(lambda: gateway.versions() == dict.fromkeys(KINDS, second.revision), "the other one moved")
            behind = look(gateway, gateway.admin.address, canary)
            assert {node.name: node.state for node in behind.nodes} == {
                gateway.admin.address: "synced",
                "canary": "stale",
            }
            unnamed = look(gateway)
            assert [(node.name, node.state) for node in unnamed.nodes] == [
                (gateway.admin.address, "synced"),
                ("canary", "unreachable"),
            ]
            assert "name its admin with --admin" in (unnamed.nodes[1].reason or "")
            assert not unnamed.healthy


def connections(gateway: Gateway) -> int:
    """To the admin of an Envoy, those that it has not even accepted included."""
    return sum(line.endswith(f" {gateway.admin.address}") for line in Path("/proc/net/unix").read_text().splitlines())


def test_a_frozen_envoy_holds_nobody_up_and_is_asked_once(
    at_first: tuple[Gateway, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, _ = at_first
    monkeypatch.setattr(observer, "ANSWER_SECONDS", 0.3)
    assert gateway.process is not None
    with closing(Observer(gateway.directory, [gateway.admin.address])) as eye:
        assert only(eye.look()).state == "synced"
        gateway.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            silent = only(eye.look())
            before = threading.active_count(), connections(gateway)
            assert time.monotonic() - began < 2
            while time.monotonic() - began < 2.6:  # longer than a question of anybody else waits
                assert only(eye.look()).state == "unreachable"
            assert (threading.active_count(), connections(gateway)) == before
            assert before[1] > 0
        finally:
            gateway.process.send_signal(signal.SIGCONT)
        assert "does not answer within 0.3 s" in (silent.reason or "")
        until(lambda: only(eye.look()).state == "synced", "it is seen again")


def test_who_is_dead_or_no_envoy_at_all_is_unreachable(tmp_path: Path) -> None:
    with place() as gateway:
        gateway.start(rendered(gateway, "a"))
        assert gateway.process is not None
        gateway.process.kill()
        gateway.process.wait()
        status = look(gateway, gateway.admin.address, "http://127.0.0.1:1", str(tmp_path / "nowhere"))
    assert {node.state for node in status.nodes} == {"unreachable"}
    assert {node.reason for node in status.nodes} == {"it cannot be reached"}
    assert not status.healthy


def test_a_gateway_that_comes_up_again_elsewhere_is_found(at_first: tuple[Gateway, Bundle]) -> None:
    gateway, _ = at_first
    with closing(Observer(gateway.directory)) as eye:
        assert eye.look().nodes == ()
        runs(gateway)
        status = eye.look()
        assert [(node.name, node.state) for node in status.nodes] == [("envoy", "synced")]
        assert {service.state for service in status.services} == {"unreachable"}
        assert status.redis is not None
        assert status.redis.reason == "it cannot be reached"
        assert SECRET not in json.dumps(status.data())
        (gateway.directory / "running.json").unlink()
        assert (eye.look().gateway, eye.look().nodes) == ("small", ())


@pytest.mark.parametrize("admins", [["nonsense"], ["ftp://x"], ["http://x:port"], ["http://\x00"]])
def test_an_address_that_cannot_be_one_is_a_usage_error(tmp_path: Path, admins: list[str]) -> None:
    with pytest.raises(GatectlError) as caught:
        Observer(tmp_path, admins)
    assert caught.value.exit_code == 64
