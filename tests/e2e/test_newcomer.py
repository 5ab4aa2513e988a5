"""What a newcomer does: bring the demo up, paste what the screen shows, take it down."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.runtime.ports import free_ports
from tests.e2e.conftest import ROOT, Gateway, make_gateway

pytestmark = pytest.mark.e2e
DEMO = ROOT / "examples" / "customer-support"


@pytest.fixture(scope="module")
def demo() -> Iterator[Gateway]:
    """The demo, with its ports moved out of the way of whoever else runs it on this machine."""
    tickets, users = free_ports(2)
    text = (DEMO / "gateway.yaml").read_text().replace("backend.py", str(DEMO / "backend.py"))
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as directory:
        spec = Path(directory) / "gateway.yaml"
        spec.write_text(text.replace("9001", str(tickets)).replace("9002", str(users)))
        yield from make_gateway(spec)


def test_the_lines_of_the_ready_screen_do_what_they_say(demo: Gateway) -> None:
    demo.gatectl("down")
    shown = demo.json("up", "-f", str(demo.spec), "--port", str(demo.port), "--detach")
    assert [request["expect"] for request in shown["requests"]] == [200, 403, 429]
    for request in shown["requests"]:
        output = subprocess.run(["bash", "-c", request["curl"]], capture_output=True, text=True, check=True).stdout
        assert re.search(rf"(HTTP/1.1 | ){request['expect']}\b", output), output


def test_a_second_up_on_the_same_state_directory_or_port_is_refused_with_a_reason(demo: Gateway) -> None:
    again = demo.gatectl("up", "-f", str(demo.spec), "--port", str(demo.port), check=False)
    assert again.returncode == 1
    assert "error: " in again.stderr
    with tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as directory:
        arguments = ["up", "-f", str(demo.spec), "--port", str(demo.port), "--state-dir", directory]
        other = subprocess.run(
            [sys.executable, "-m", "gatectl", *arguments],
            env=demo.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert other.returncode == 1
    assert f"{demo.port}" in other.stderr
    assert "envoy" in other.stderr


def test_ctrl_c_stops_everything_and_leaves_no_process(demo: Gateway) -> None:
    (port,) = free_ports(1)
    tickets, users = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as directory:
        spec = Path(directory) / "gateway.yaml"
        text = demo.spec.read_text()
        for old, new in zip(sorted(set(re.findall(r'--port, "(\d+)"', text))), (tickets, users), strict=True):
            text = text.replace(old, str(new))
        spec.write_text(text)
        state = Path(directory) / "state"
        process = subprocess.Popen(
            [sys.executable, "-m", "gatectl", "up", "-f", str(spec), "--port", str(port), "--state-dir", str(state)],
            env=demo.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            screen = ""
            while "Ctrl-C stops everything" not in screen:
                line = process.stdout.readline()
                assert line, "it ended before it was ready"
                screen += line
            assert f":{port}" in screen
            assert "alice" in screen
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            assert Gateway(state, spec, demo.environment, port).pids() == {}
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        finally:
            process.kill()
            process.communicate()


def test_keys_are_printed_once_in_the_documented_shape(demo: Gateway) -> None:
    made = demo.json("keys", "create", "nina", "--role", "agent", "--plan", "pro")
    assert {"id", "key", "user", "roles", "plan", "state"} <= set(made)
    assert made["roles"] == ["agent"]
    stored = json.dumps(demo.json("keys", "list"))
    assert made["id"] in stored
    assert made["key"] not in stored
    assert "digest" not in stored


def test_the_plan_of_a_customer_says_how_many_questions_a_day_the_assistant_takes(demo: Gateway) -> None:
    answers = {}
    for plan in ("free", "pro"):
        key = demo.json("keys", "create", f"{plan}-customer", "--role", "customer", "--plan", plan)["key"]
        with demo.client() as client:
            asked = [client.post("/api/v1/assistant", headers={"x-api-key": key}, json={}) for _ in range(11)]
        answers[plan] = [answer.status_code for answer in asked]
    assert answers == {"free": [422] * 10 + [429], "pro": [422] * 11}  # it wants to be asked something


def test_the_state_directory_is_for_its_owner_only(demo: Gateway) -> None:
    assert demo.state_dir.stat().st_mode & 0o077 == 0
    for name in ("running.json", "ready.json"):
        assert (demo.state_dir / name).stat().st_mode & 0o077 == 0


def test_no_secret_stands_in_a_process_list(demo: Gateway) -> None:
    password = re.search(r"redis://[^:]*:([^@]+)@", (demo.state_dir / "running.json").read_text())
    assert password is not None
    commands = " ".join(demo.pids().values())
    assert password[1] not in commands
    assert not [key for key in demo.keys.values() if key in commands]


def test_down_stops_everything_and_a_second_down_is_fine(demo: Gateway) -> None:
    assert demo.json("down") == {"stopped": True, "state_dir": str(demo.state_dir)}
    assert demo.pids() == {}
    assert demo.json("down")["stopped"] is False
    deadline = time.monotonic() + 5
    while os.path.exists(demo.state_dir / "running.json"):  # noqa: PTH110 - a plain question
        assert time.monotonic() < deadline
    assert demo.gatectl("status", check=False).returncode == 5
