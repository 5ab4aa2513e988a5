"""The whole of `up`, with real parts."""

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gatectl.rollout.place import read_running
from gatectl.runtime import api_keys, ready
from gatectl.runtime.api_keys import properties
from gatectl.runtime.down import down
from gatectl.runtime.keyring import Keyring
from tests.runtime.conftest import make_world
from tests.runtime.worlds import World, until

Up = tuple[World, subprocess.Popen[str], dict[str, Any]]


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    """A gateway for all that leave it as they found it: where it is, its process, and its ready line."""
    worlds = make_world()
    world = next(worlds)
    try:
        yield world, *world.up()
    finally:
        worlds.close()


def with_a_child(command: list[str]) -> list[str]:
    """A program that leaves a child of its own beside it."""
    return ["sh", "-c", f"sleep 1000 & exec {shlex.join(command)}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_gateway_serves_until_it_is_told_to_stop_and_leaves_nothing(world: World, number: signal.Signals) -> None:
    world.command = with_a_child(world.command)
    process, line = world.up()
    key = line["keys"]["alice"]
    statuses = [world.get("/open"), world.get("/tickets"), world.get("/tickets", key), world.get("/tickets", "x")]
    assert statuses == [200, 401, 200, 401]
    assert any("sleep 1000" in command for command in world.survivors().values())
    process.send_signal(number)
    assert process.wait(20) == 0
    assert world.survivors() == {}
    assert not [name for name in ("running.json", "ready.json", "admin.sock") if (world.state / name).exists()]


def test_no_secret_is_readable_by_others_or_shown_in_a_process_list(running: Up) -> None:
    world, _, line = running
    place = read_running(world.state)
    assert place is not None
    password = place.redis_url.partition("redis://:")[2].partition("@")[0]
    assert len(password) > 30
    assert not [command for command in world.survivors().values() if password in command]
    assert stat.S_IMODE(world.state.stat().st_mode) == 0o700
    private = [world.state / name for name in ("running.json", "ready.json", "admin.sock", "issuers/staff.pem")]
    private += [*(world.state / "logs").iterdir(), *(world.state / "audit").iterdir()]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in private} == {path.name: 0o600 for path in private}
    for log in (*(world.state / "logs").iterdir(), *(world.state / "audit").iterdir()):
        assert password not in log.read_text()
        assert line["keys"]["alice"] not in log.read_text()
    with httpx.Client() as client, pytest.raises(httpx.HTTPError):
        client.get(place.redis_url.replace("redis://", "http://"))  # Redis hangs up on HTTP


def test_killing_the_supervisor_leaves_no_process_and_the_next_one_starts_over(world: World) -> None:
    process, line = world.up()
    process.kill()
    process.wait()
    assert until(lambda: not world.survivors()), world.survivors()
    assert read_running(world.state) is not None, "a crash leaves its traces"
    _, again = world.up()
    assert world.get("/tickets", again["keys"]["alice"]) == 200
    assert world.get("/tickets", line["keys"]["alice"]) == 401, "keys of the crashed run are no good any more"


def test_what_a_development_process_left_behind_goes_with_the_next_down(world: World) -> None:
    world.command = with_a_child(world.command)
    process, _ = world.up()
    process.kill()
    process.wait()
    assert until(lambda: len(world.survivors()) == 1), world.survivors()
    assert down(world.state, 10) is False, "nothing ran any more"
    assert world.survivors() == {}
    assert read_running(world.state) is None


def test_a_part_that_dies_is_started_again(running: Up) -> None:
    world, process, line = running
    key = line["keys"]["alice"]
    for victim in ("_bin/envoy", "valkey-server", "-m ext_authz", "-m ratelimit_svc", "upstream.py"):
        [before] = world.children_of(process, victim)
        os.kill(before, signal.SIGKILL)
        assert until(lambda: world.children_of(process, victim) not in ([], [before])), victim  # noqa: B023 - called here
        assert until(lambda: world.get("/tickets", key) == 200), (victim, (world.root / "progress").read_text())
        assert len(world.children_of(process, victim)) == 1, "never two at once"
    assert (world.root / "progress").read_text().count("was killed by SIGKILL, starting it again") == 5


def test_api_keys_survive_down_and_up(world: World) -> None:
    process, line = world.up()
    running = read_running(world.state)
    assert running is not None
    key, record = api_keys.create(Keyring(running.redis_url, "shop"), properties(user="bob", roles=("agent",)))
    assert world.get("/tickets", key) == 200
    assert down(world.state, 20) is True
    process.wait(20)
    world.up()
    assert world.get("/tickets", key) == 200
    assert world.get("/tickets", line["keys"]["alice"]) == 401, "development keys live as long as one run"
    again = read_running(world.state)
    assert again is not None
    known = [found.record.id for found in api_keys.list_keys(Keyring(again.redis_url, "shop"))]
    marker = ready.read(world.state)
    assert marker is not None
    assert known == [record.id, marker.keys[0].id]


def test_a_taken_port_is_an_error_that_names_the_holder(world: World) -> None:
    with socket.create_server(("127.0.0.1", world.port)):
        process, line = world.up()
    assert process.wait(10) == 1
    assert f"port {world.port} on 127.0.0.1 is taken by pid {os.getpid()} (" in line["error"]
    assert "--port" in line["error"]
    assert world.survivors() == {}


def test_a_second_gateway_in_the_same_state_directory_is_refused(running: Up) -> None:
    world, first, _ = running
    second, line = world.up()
    assert second.wait(10) == 1
    assert f"already (pid {first.pid})" in line["error"]
    assert world.get("/open") == 200


def test_a_running_json_of_somebody_else_s_pid_is_stale(world: World) -> None:
    process, _ = world.up()
    process.kill()
    process.wait()
    lock = world.state / "supervisor.lock"
    lock.write_text(f"{os.getpid()} 1")  # the pid is ours now
    assert down(world.state, 5) is False
    assert not (world.state / "running.json").exists()
    _, line = world.up()
    assert line["url"] == world.url


def test_a_development_process_that_fails_shows_the_end_of_its_log(world: World) -> None:
    world.command = ["python", "-c", "import sys; print('first'); sys.exit('no database here')"]
    process, line = world.up()
    assert process.wait(20) == 1
    assert "process-upstream ended with exit code 1" in line["error"]
    assert "no database here" in line["error"]
    assert world.survivors() == {}
    assert not (world.state / "running.json").exists()


def test_a_development_program_that_does_not_exist_is_named(world: World) -> None:
    world.command = ["no-such-program"]
    process, line = world.up()
    assert process.wait(20) == 1
    assert 'there is no program "no-such-program"' in line["error"]
    assert world.survivors() == {}


def test_a_stranger_on_the_port_of_a_development_process_does_not_pass_for_it(world: World) -> None:
    with socket.create_server(("127.0.0.1", world.upstream_port)):
        process, line = world.up()
    assert process.wait(20) == 1
    assert f"port {world.upstream_port} on 127.0.0.1 is taken by pid {os.getpid()}" in line["error"]
    assert world.survivors() == {}


def test_ctrl_c_while_it_starts_stops_what_was_started(world: World) -> None:
    world.command = [sys.executable, "-c", "import time; time.sleep(1000)"]
    process = world.start()
    assert until(lambda: any("time.sleep(1000)" in command for command in world.survivors().values()))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert world.survivors() == {}


def test_a_redis_of_one_s_own_that_is_away_is_told_without_its_password(world: World) -> None:
    process, line = world.up("redis://:hunter2@127.0.0.1:1/0")
    assert process.wait(10) == 5
    assert "127.0.0.1:1" in line["error"]
    assert "hunter2" not in json.dumps(line)


def test_a_state_directory_that_is_too_deep_for_a_socket_is_told_so(world: World) -> None:
    process, line = world.up(state=world.root / ("d" * 100))
    assert process.wait(10) == 1
    assert "choose a shorter --state-dir" in line["error"]


def test_down_kills_a_supervisor_that_does_not_react(world: World) -> None:
    process, _ = world.up()
    os.kill(process.pid, signal.SIGSTOP)
    started = time.monotonic()
    assert down(world.state, 0.3) is True
    assert time.monotonic() - started < 10
    assert process.wait(20) == -signal.SIGKILL
    assert until(lambda: not world.survivors()), world.survivors()
    assert read_running(world.state) is None


def test_stopping_nothing_is_fine(world: World) -> None:
    assert down(world.state, 5) is False
    assert not world.state.exists()
