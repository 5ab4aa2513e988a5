"""A gateway of a test's own: real Envoy, Redis, services and upstream, as processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
SPEC = """\
version: 1
name: {name}
listener: {{address: 127.0.0.1, port: {port}}}
authentication:
  api_keys: {{}}
  jwt:
    - {{name: staff, issuer: "https://id.example", audiences: [api], jwks: {{local: true}}}}
upstreams:
  tickets: {{endpoints: ["127.0.0.1:{upstream_port}"], circuit_breaker: {{ejection_time: 1s}}}}
routes:
  - {{name: open, match: {{path: /open}}, upstream: tickets, access: public}}
  - {{name: tickets, match: {{path_prefix: /tickets}}, upstream: tickets, access: {{roles: [agent]}}}}
development:
  processes:
    - name: upstream
      command: {command}
      ready: http://127.0.0.1:{upstream_port}/
  keys:
    - {{user: alice, roles: [agent]}}
"""


def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What ``condition`` returns as soon as it is true; the last answer when it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


@dataclass
class World:
    """A directory with a spec and a state directory, and the gateways that a test runs there."""

    root: Path
    port: int
    upstream_port: int
    command: list[str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *arguments: str, state: Path | None = None) -> subprocess.Popen[str]:
        """Start a gateway, without waiting for anything."""
        text = SPEC.format(
            name="shop", port=self.port, upstream_port=self.upstream_port, command=json.dumps(self.command)
        )
        (self.root / "gateway.yaml").write_text(text)
        command = [sys.executable, str(HERE / "run_gateway.py"), str(self.root / "gateway.yaml")]
        with (self.root / "progress").open("a") as progress:
            process = subprocess.Popen(
                [*command, str(state or self.state), *arguments], stdout=subprocess.PIPE, stderr=progress, text=True
            )
        self.processes.append(process)
        return process

    def up(self, *arguments: str, state: Path | None = None) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """Start a gateway and wait for its one line: ready, or why not."""
        process = self.start(*arguments, state=state)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self.root / "progress").read_text()
        return process, json.loads(line)

    def get(self, path: str, key: str | None = None) -> int | None:
        """Status of a request through the gateway; None when nobody answers."""
        try:
            return httpx.get(
                self.url + path, headers={"x-api-key": key} if key else {}, trust_env=False, timeout=2
            ).status_code
        except httpx.HTTPError:
            return None

    def survivors(self) -> dict[int, str]:
        """Processes that have to do with this directory, tests excluded: pid and command line."""
        found: dict[int, str] = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                place = str((process / "cwd").readlink())
                if str(self.root) in command or place.startswith(str(self.root)):
                    found[int(process.name)] = command.strip()
        return found

    def children_of(self, parent: subprocess.Popen[str], word: str) -> list[int]:
        """Child processes whose command line holds a word."""
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        return [pid for pid, command in self.survivors().items() if word in command and str(pid) in children]

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        for pid in self.survivors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
