"""Every gatectl command in the documents and in the help texts is run as it stands, beside a running gateway."""

import contextlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatectl.rollout.envoy_admin import EnvoyAdmin
from tests.docs.test_docs import DOCS, commands
from tests.e2e.conftest import SPEC, Gateway, in_this_process, make_gateway

pytestmark = pytest.mark.e2e

HARNESS = ("gatectl up", "gatectl down", "gatectl dev")
"""What brings the gateway up and down that all the others are run beside: test_newcomer, test_dev."""
ELSEWHERE = ("--state-dir /", "/path/", "1f8k2m0q4zxa", "5f0c9d2e7a41", "127.0.0.1:9901", "3f2a91")
"""Directories and an Envoy of other machines, a key, a revocation and a revision of another gateway."""
FRAGMENTS = {
    "gatectl apply --admin",
    "gatectl apply PLAN",
    "gatectl plan --out",
    "gatectl rollback",
    "gatectl dump REV",
    "gatectl explain",
    "gatectl import envoy",
    "gatectl import openapi",
    "gatectl import ratelimit",
    "gatectl keys",
    "gatectl keys create",
    "gatectl tokens mint",
    "gatectl tokens reinstate ID",
}
"""Mentioned by name only."""
NEEDS = {
    "gatectl keys import keys.jsonl": ("gatectl keys export --to keys.jsonl",),
    "gatectl keys import keys.jsonl --dry-run": ("gatectl keys export --to keys.jsonl",),
    "gatectl keys import - -f gateway.yaml < keys.jsonl": ("gatectl keys export --to keys.jsonl",),
    "gatectl plan -f gateway.yaml -f limits.yaml": ("gatectl import ratelimit ratelimit.yaml --to limits.yaml",),
    "gatectl apply plan.json": ("gatectl plan --out plan.json",),
    "gatectl rollback --auto-approve": (
        "gatectl apply -f gateway.yaml -f prod.yaml --auto-approve",
        "gatectl apply --auto-approve",
    ),
}
"""What somebody did before."""
QUIET = ("gatectl audit search",)
"""That nothing is found is an answer too."""
MODULES = sorted((Path(__file__).parents[2] / "gatectl" / "commands").rglob("*.py"))


def examples(module: Path) -> list[str]:
    lines = (line.strip() for line in module.read_text().splitlines())
    return [line for line in lines if line.startswith("gatectl ")]


def documented() -> list[str]:
    found = {line for path in DOCS for line in commands(path.read_text())}
    found |= {line for module in MODULES for line in examples(module)}
    return sorted(
        line
        for line in found - FRAGMENTS
        if not line.startswith(HARNESS) and not any(word in line for word in ELSEWHERE)
    )


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    yield from make_gateway()


@pytest.fixture(scope="module")
def desk(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as the documents suppose: spec, overlay, tests, what to import, and gatectl on PATH."""
    desk = tmp_path_factory.mktemp("desk")
    for name in ("gateway.yaml", "base.yaml"):
        shutil.copy(gateway.spec, desk / name)
    shutil.copy(SPEC.with_name(".gatectl-lint.yaml"), desk)
    (desk / "prod.yaml").write_text("listener: {max_connections: 5000}\n")
    (desk / "ratelimit.yaml").write_text(
        "domain: d\ndescriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: 9}}]\n"
    )
    (desk / "openapi.yaml").write_text(
        "openapi: 3.1.0\ninfo: {title: Pets}\npaths: {/pets: {get: {operationId: list}}}\n"
    )
    (desk / ".gatectl").symlink_to(gateway.state_dir)
    with contextlib.closing(EnvoyAdmin(str(gateway.state_dir / "admin.sock"))) as admin:
        (desk / "config_dump.json").write_text(admin.config_dump() or "")
    shutil.copy(Path(__file__).with_name("tests.yaml"), desk)
    (desk / "claims.json").write_text('{"sub": "carol", "roles": ["customer"]}')
    (desk / "key.txt").write_text("a-key-of-nobody")
    program = desk / "bin" / "gatectl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gatectl "$@"\n')
    program.chmod(0o755)
    return desk


def by_a_shell(line: str) -> bool:
    """Pipes and redirections need one."""
    return any(sign in line for sign in "|>$<;&")


@pytest.mark.parametrize("line", documented())
def test_a_documented_command_does_what_it_should(
    gateway: Gateway, desk: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = gateway.environment | {
        "PATH": f"{desk / 'bin'}:{gateway.environment['PATH']}",
        "GATECTL_STATE_DIR": str(gateway.state_dir),
        "HOME": str(desk),  # whatever a command may want to leave in it
    }
    monkeypatch.chdir(desk)
    for leftover in ("orders", "rendered"):
        shutil.rmtree(desk / leftover, ignore_errors=True)
    (desk / "limits.yaml").unlink(missing_ok=True)
    (desk / "orders").mkdir()
    if line == "gatectl init":
        (desk / "gateway.yaml").unlink()

    def once(line: str) -> subprocess.CompletedProcess[str]:
        if by_a_shell(line):
            command = ["bash", "-o", "pipefail", "-c", line]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return in_this_process(shlex.split(line)[1:], environment)

    for before in NEEDS.get(line, ()):
        assert once(before).returncode == 0
    ended = once(line)
    shutil.copy(gateway.spec, desk / "gateway.yaml")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout or ">" in line or "--to" in line or line.startswith(QUIET)
