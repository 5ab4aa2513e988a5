"""Who gets to see the peppers: gatectl and ext_authz, and nobody else that is started."""

from pathlib import Path

import pytest

from gatectl.rollout.place import Service
from gatectl.runtime import peppers, processes, programs

ENVIRONMENT = {"GATECTL_PEPPER": "p" * 32, "GATECTL_PEPPER_FILE": "peppers", "HOME": "/home"}
HERE = Service(grpc="127.0.0.1:1", http="127.0.0.1:2")


def test_ext_authz_gets_them_by_its_environment_and_the_limiter_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    started = {name: programs.service(name, HERE, tmp_path, "redis://x", 1) for name in ("ext_authz", "ratelimit_svc")}
    handed = {name: value for name, value in started["ext_authz"].environment.items() if "PEPPER" in name}
    assert handed == {"EXT_AUTHZ_PEPPER": "p" * 32, "EXT_AUTHZ_PEPPER_FILE": str(tmp_path / "peppers")}
    assert not any("PEPPER" in name for name in started["ratelimit_svc"].environment)
    assert "p" * 32 not in f"{started} {[program.argv for program in started.values()]}"


def test_what_is_started_does_not_inherit_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ENVIRONMENT, "EXT_AUTHZ_PEPPER": "x", "EXT_AUTHZ_PEPPER_FILE": "y"}.items():
        monkeypatch.setenv(name, value)
    inherited = processes._environment()
    assert not any("PEPPER" in name for name in inherited)
    assert inherited["HOME"] == "/home"


def test_without_any_nothing_is_handed_on() -> None:
    assert peppers.for_the_service({"HOME": "/home", "GATECTL_PEPPER": ""}) == {}
    assert not peppers.read_peppers({"GATECTL_PEPPER": "", "GATECTL_PEPPER_FILE": ""})
