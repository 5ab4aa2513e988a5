"""The very commands of compose.yaml, run as processes: what no engine runs here must still work together.

Container names become loopback, fixed ports free ones, mounted directories real ones; nothing else is changed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from gatectl.rollout.envoy_binary import find_envoy
from gatectl.runtime import binaries
from gatectl.runtime.ports import free_ports

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
PORTS = ("9191", "9192", "9291", "9292", "6379", "9001", "8080", "9901")
NAMES = ("ext_authz", "ratelimit_svc", "redis", "backend", "envoy")


class Machine:
    """One machine that plays all containers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self.state = directory / "state"
        self.state.mkdir(mode=0o750)
        shutil.copytree(ROOT / "examples" / "customer-support", directory / "spec")
        spec = directory / "spec" / "gateway.yaml"
        spec.write_text(spec.read_text().replace("port: 8080", f"port: {self.ports['8080']}"))

    def translate(self, text: str) -> str:
        text = re.sub(rf"\b({'|'.join(NAMES)}):(\d+)", r"127.0.0.1:\2", text)
        text = re.sub(rf"\b({'|'.join(PORTS)})\b", lambda match: self.ports[match[1]], text)
        text = text.replace("/opt/customer-support", str(self.directory / "spec"))
        return re.sub(r"(?<![\w.])/(state|spec|audit)(?=/|$)", rf"{self.directory}/\1", text)

    def command(self, service: str) -> list[str]:
        words = [*SERVICES[service].get("entrypoint", []), *SERVICES[service]["command"]]
        elsewhere = {"envoy": find_envoy(), "redis-server": binaries.redis_server(), "python": sys.executable}
        name = Path(words[0]).name
        program = str(elsewhere.get(name) or Path(sys.executable).with_name(name))
        return [program, *map(self.translate, words[1:])]

    def environment(self, service: str) -> dict[str, str]:
        given = SERVICES[service].get("environment", {})
        return {**os.environ, **{name: self.translate(value) for name, value in given.items()}}

    def cwd(self, service: str) -> Path:
        return Path(self.translate(SERVICES[service].get("working_dir", str(self.directory))))

    def logs(self) -> str:
        """The end of every log, for whoever has to find out why."""
        tails = (f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.directory.glob("*.log")))
        return "\n".join(tails)

    def run(self, *words: str) -> str:
        """One-off: ``docker compose run --rm apply …``."""
        command = [str(Path(sys.executable).with_name(words[0])), *map(self.translate, words[1:])]
        environment = self.environment("apply")
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def healthy(machine: Machine, service: str) -> bool:
    check = SERVICES[service]["healthcheck"]["test"]
    command = [sys.executable, *check[2:]]
    return subprocess.run(command, env=machine.environment(service), capture_output=True, check=False).returncode == 0


def wait_until_healthy(machine: Machine, service: str) -> None:
    deadline = time.monotonic() + 30
    while not healthy(machine, service):
        assert time.monotonic() < deadline, f"{service} is not healthy\n{machine.logs()}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="compose-", dir="/tmp") as directory, ExitStack() as stack:
        machine = Machine(Path(directory))
        for name in ("bootstrap", "apply"):
            subprocess.run(machine.command(name), env=machine.environment(name), check=True, capture_output=True)
        bootstrap = machine.state / "bootstrap.json"
        bootstrap.write_text(bootstrap.read_text().replace("9901", machine.ports["9901"]))
        for service in ("redis", "backend", "ext_authz", "ratelimit_svc", "envoy"):
            for other, condition in SERVICES[service].get("depends_on", {}).items():
                if condition["condition"] == "service_healthy" and other != "redis":  # redis-cli may not be here
                    wait_until_healthy(machine, other)
            command = machine.command(service) + (["--port", machine.ports["6379"]] if service == "redis" else [])
            log = stack.enter_context((machine.directory / f"{service}.log").open("wb"))
            process = subprocess.Popen(
                command, env=machine.environment(service), cwd=machine.cwd(service), stdout=log, stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield machine


@pytest.mark.parametrize("service", ["backend", "ext_authz", "ratelimit_svc", "envoy_probe"])
def test_a_part_becomes_healthy_by_its_own_check(machine: Machine, service: str) -> None:
    wait_until_healthy(machine, service)


def test_the_parts_work_together(machine: Machine) -> None:
    url = f"http://127.0.0.1:{machine.ports['8080']}"
    wait_until_healthy(machine, "envoy_probe")
    (documented,) = re.findall(r"run --rm apply (gatectl keys create .*?) -f", (ROOT / "compose.yaml").read_text())
    words = [*documented.split(), "-f", "/spec/gateway.yaml", "--redis-url", "redis://redis:6379/0", "-o", "json"]
    headers = {"x-api-key": json.loads(machine.run(*words))["key"]}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        assert client.get("/api/v1/tickets").status_code == 200
        assert client.get("/api/v1/users").status_code == 403


def test_bringing_it_up_again_changes_nothing(machine: Machine) -> None:
    before = (machine.state / "current").lstat().st_mtime_ns
    machine.run(*SERVICES["apply"]["command"])
    assert (machine.state / "current").lstat().st_mtime_ns == before
