"""The background half, with a stand-in for the command line: what it says and does is all that `detach` knows of it."""

import os
import signal
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.runtime import process_table
from gatectl.runtime.detach import detach
from tests.runtime.worlds import until

READY = """\
import json, os, sys, time
print("starting", *sys.argv[1:], flush=True)
service = {"grpc": "127.0.0.1:1", "http": "127.0.0.1:2"}
running = {"gateway": "shop", "supervisor_pid": os.getpid(), "supervisor_started": "1", "url": "http://127.0.0.1:3",
           "admin": "/a", "ext_authz": service, "ratelimit_svc": service, "redis_url": "redis://127.0.0.1:4"}
open("state/running.json", "w").write(json.dumps(running))
open("state/ready.json", "w").write(json.dumps({"gateway": "shop", "supervisor_pid": os.getpid(), "keys": []}))
time.sleep(99)
"""
FAILS = "import sys; print('port 8080 is taken'); sys.exit(4)"
HANGS = "import os, time; print(os.getpid(), flush=True); time.sleep(99)"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in is found first, as it lies in the working directory."""
    (tmp_path / "gatectl").mkdir()
    (tmp_path / "gatectl" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


def stand_in(code: str) -> None:
    Path("gatectl/__main__.py").write_text(code)


def test_it_returns_once_the_gateway_serves_and_leaves_it_running(state: Path) -> None:
    stand_in(READY)
    running = detach(["up", "--port", "3"], state, 20)
    try:
        assert running.url == "http://127.0.0.1:3"
        assert (state / "logs" / "up.log").read_text() == "starting up --port 3\n"
        assert process_table.started(running.supervisor_pid) is not None
        assert os.getsid(running.supervisor_pid) == running.supervisor_pid
    finally:
        os.kill(running.supervisor_pid, signal.SIGKILL)
        os.waitpid(running.supervisor_pid, 0)


def test_a_gateway_that_does_not_come_up_tells_why_with_its_exit_code(state: Path) -> None:
    stand_in(FAILS)
    with pytest.raises(GatectlError, match="did not come up:\nport 8080 is taken") as caught:
        detach(["up"], state, 20)
    assert caught.value.exit_code == 4


def test_a_ready_file_of_somebody_else_is_not_believed(state: Path) -> None:
    stand_in(READY.replace("os.getpid()", "1"))
    with pytest.raises(GatectlError, match="within 1 seconds"):
        detach(["up"], state, 1)


def test_a_gateway_that_takes_too_long_is_stopped(state: Path) -> None:
    stand_in(HANGS)
    with pytest.raises(GatectlError) as caught:
        detach(["up"], state, 1)
    assert caught.value.exit_code == 5
    pid = int(str(caught.value).splitlines()[-1])
    assert until(lambda: process_table.started(pid) is None)
