"""`gatectl dev`: a good save is in force at once, a bad one is told and changes nothing, Ctrl-C leaves nothing."""

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatectl.runtime.ports import free_ports
from tests.e2e.conftest import ROOT, SPEC, Gateway

pytestmark = pytest.mark.e2e
PATIENCE = 60.0


@dataclass
class Dev:
    """A running `gatectl dev` on a directory with a base and an overlay."""

    gateway: Gateway
    overlay: Path
    process: "subprocess.Popen[str]"
    lines: "queue.Queue[str]"

    def says(self, words: str) -> str:
        """Everything it says until a line has the words in it."""
        deadline, said = time.monotonic() + PATIENCE, ""
        while words not in said:
            said += self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
        return said

    def status(self, path: str) -> int:
        return self.gateway.get(path).status_code


@pytest.fixture(scope="module")
def dev() -> Iterator[Dev]:
    directory = Path(tempfile.mkdtemp(prefix="dev-", dir="/tmp"))
    port, backend, unused = free_ports(3)
    environment = os.environ | {
        "BACKEND_PROGRAM": str(ROOT / "examples" / "customer-support" / "backend.py"),
        "BACKEND_PORT": str(backend),
        "UNUSED_PORT": str(unused),
        "STATIC_KEY_SHA256": "0" * 64,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    spec, overlay = directory / "gateway.yaml", directory / "local.yaml"
    shutil.copy(SPEC, spec)
    overlay.write_text("listener: {max_connections: 500}\n")
    gateway = Gateway(directory / "state", spec, environment, port)
    arguments = ["dev", "--watch", "-f", str(spec), "-f", str(overlay), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gatectl", *arguments, "--state-dir", str(gateway.state_dir)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()])
    reader.start()
    try:
        dev = Dev(gateway, overlay, process, lines)
        dev.says("Ctrl-C stops everything")
        yield dev
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()
            shutil.rmtree(directory, ignore_errors=True)


def saved_by_rename(path: Path, text: str) -> None:
    """As most editors do it."""
    fresh = path.with_name(f".{path.name}.swp")
    fresh.write_text(text)
    fresh.replace(path)


NEW = "routes: [{name: new, match: {path_prefix: /new}, upstream: support, rewrite_prefix: /healthz, access: public}]\n"


def test_a_good_save_is_in_force_a_bad_one_is_told_and_the_next_good_one_is_in_force_again(dev: Dev) -> None:
    assert dev.status("/new") == 404
    saved_by_rename(dev.overlay, NEW)
    assert "is in force (was " in dev.says(" s\n")
    assert dev.status("/new") == 200
    first = dev.gateway.json("status")["revision"]

    dev.overlay.write_text(NEW.replace("support", "suport"))
    said = dev.says("docs/errors.md")
    place = f"{dev.overlay}:1:{NEW.index('support') + 1}"
    assert f'{place}: error[GC0103] route "new" names an unknown upstream "suport"' in said
    assert dev.status("/healthz") == 200
    assert dev.gateway.json("status")["revision"] == first

    dev.overlay.write_text("routes: [\n")
    assert f"{dev.overlay}:2:1: error[GC0002]" in dev.says("docs/errors.md")
    dev.overlay.unlink()
    assert "GC0001" in dev.says("docs/errors.md")

    dev.overlay.write_text(NEW.replace("/new}", "/newer}"))
    assert "is in force (was " in dev.says(" s\n")
    assert (dev.status("/new"), dev.status("/newer")) == (404, 200)
    assert dev.gateway.json("status")["healthy"] is True


def test_a_save_that_changes_nothing_says_so(dev: Dev) -> None:
    dev.overlay.write_text(dev.overlay.read_text() + "# a comment\n")
    assert "nothing was changed" in dev.says("nothing was changed")


def test_a_file_beside_the_spec_is_not_watched(dev: Dev) -> None:
    dev.overlay.with_name("notes.yaml").write_text("not: [a spec")
    dev.overlay.write_text(dev.overlay.read_text() + "# another\n")
    assert "error" not in dev.says("nothing was changed")


def test_another_name_of_the_gateway_is_refused_and_the_old_one_serves_on(dev: Dev) -> None:
    text = dev.overlay.read_text()
    dev.overlay.write_text(text + "name: other\n")
    assert 'this spec is "other"' in dev.says("this spec is")
    assert dev.status("/healthz") == 200
    dev.overlay.write_text(text)
    dev.says("nothing was changed")


def test_ctrl_c_leaves_nothing(dev: Dev) -> None:
    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(30) == 0
    assert dev.gateway.pids() == {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", dev.gateway.port))


def test_a_spec_on_standard_input_cannot_be_watched() -> None:
    command = [sys.executable, "-m", "gatectl", "dev", "-f", "-"]
    result = subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, check=False)
    assert result.returncode == 64
    assert "--watch needs the spec in a file" in result.stderr
