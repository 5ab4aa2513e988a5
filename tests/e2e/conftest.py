"""A whole gateway for each test module: real Envoy, Redis, both services and the demo backend, as processes."""

import gc
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gatectl.cli import run
from gatectl.runtime.ports import free_ports

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SPEC = HERE / "gateway.yaml"
STATIC_KEY = "a-legacy-key-of-another-system"
OWN_PROCESS = {"up", "down"}
"""Commands that leave processes behind, or end those of others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A command leaves its connections to the end of its process, which here is not its own."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


def in_this_process(arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command line as if a process of its own had ended: a process for each would cost most of the time."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as changed:
        for name, value in {"COLUMNS": "80", **environment}.items():
            changed.setenv(name, value)
        changed.setattr(sys, "stdin", io.StringIO())
        for name, stream in streams.items():
            changed.setattr(sys, name, stream)
        code = run(arguments)
    said = {name: stream.buffer.getvalue().decode() for name, stream in streams.items()}  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, **said)


@dataclass
class Gateway:
    """A running gateway, as its operator and its clients see it."""

    state_dir: Path
    spec: Path
    environment: dict[str, str]
    port: int
    keys: dict[str, str] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    """What the ready screen shows."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def gatectl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the real command line on this gateway."""
        words = [*arguments, "--state-dir", str(self.state_dir)]
        if words[0] in OWN_PROCESS:
            command = [sys.executable, "-m", "gatectl", *words]
            result = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=100, check=False
            )
        else:
            result = in_this_process(words, self.environment)
        if check:
            assert result.returncode == 0, result.stderr + result.stdout
        return result

    def json(self, *arguments: str) -> Any:
        return json.loads(self.gatectl(*arguments, "-o", "json").stdout)

    def up(self) -> None:
        self.ready = self.json("up", "-f", str(self.spec), "--port", str(self.port), "--detach")
        self.keys = {key["user"]: key["key"] for key in self.ready["keys"]}

    def apply(self, spec: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.gatectl("apply", "-f", str(spec or self.spec), "--auto-approve", check=check)

    def edited(self, *changes: tuple[str, str]) -> Path:
        """The spec with some text replaced, as a file beside it."""
        text = self.spec.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = self.spec.with_name("edited.yaml")
        path.write_text(text)
        return path

    def running(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.state_dir / "running.json").read_text())
        return document

    def client(self, user: str | None = None, **options: Any) -> httpx.Client:
        headers = {"x-api-key": self.keys[user]} if user else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10, trust_env=False, **options)

    def get(self, path: str, user: str | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
        with self.client(user) as client:
            return client.get(path, headers=headers)

    def token(self, user: str, *options: str) -> dict[str, str]:
        token = self.json("tokens", "mint", user, "-f", str(self.spec), *options)["token"]
        return {"authorization": f"Bearer {token}"}

    def log(self, name: str) -> str:
        return (self.state_dir / "logs" / name).read_text()

    def pids(self) -> dict[int, str]:
        """Every process that works for this gateway, by what its command line or directory says."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    directory = (entry / "cwd").readlink()
                except OSError:
                    continue
                if str(self.state_dir) in f"{command} {directory}":
                    found[int(entry.name)] = command
        return found


def make_gateway(spec: Path = SPEC) -> Iterator[Gateway]:
    """Bring a gateway up on free ports and take it down, whatever happens in between."""
    directory = Path(tempfile.mkdtemp(prefix="gw-", dir="/tmp"))
    port, backend, unused = free_ports(3)
    environment = os.environ | {
        "BACKEND_PROGRAM": str(ROOT / "examples" / "customer-support" / "backend.py"),
        "BACKEND_PORT": str(backend),
        "UNUSED_PORT": str(unused),
        "STATIC_KEY_SHA256": hashlib.sha256(STATIC_KEY.encode()).hexdigest(),
        "PYTHONPATH": str(ROOT),
        "GATECTL_PEPPER": "a-pepper-of-the-end-to-end-tests",
    }
    copy = directory / "gateway.yaml"
    shutil.copy(spec, copy)
    gateway = Gateway(directory / "state", copy, environment, port)
    try:
        gateway.up()
        yield gateway
    finally:
        gateway.gatectl("down", check=False)
        gc.collect()  # what was left open is freed here, where nobody is warned of it
        left = gateway.pids()
        shutil.rmtree(directory, ignore_errors=True)
        assert left == {}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    yield from make_gateway()


def is_problem(response: httpx.Response) -> bool:
    """Whether an error has the shape that every error must have."""
    body = response.json()
    return (
        response.headers["content-type"] == "application/problem+json"
        and {"type", "title", "status", "detail", "request_id"} <= set(body)
        and body["status"] == response.status_code
    )


def at_once(gateway: Gateway, user: str) -> list[int]:
    """What is left of the limit ``at-once`` for a user. Asking takes nothing of it."""
    shown = gateway.json("limits", "show", user)["limits"]
    left: list[int] = next(one["left"] for one in shown if one["limit"] == "at-once")
    return left
