"""Shell completion, by the protocol that the shells speak: the real program, asked as bash, zsh and fish ask it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_cli import EXAMPLE, ROOT

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLE, tmp_path / "gateway.yaml")
    (tmp_path / "prod.yaml").write_text("routes: [{name: extra}]\nupstreams: {more: {}, other: }\n")
    (tmp_path / "broken.yaml").write_text("routes: [")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.yaml").write_text("routes: [{name: from-a-directory}, {name: '${SECRET}'}]\n")
    return tmp_path


def ask(shell: str, line: str, directory: Path) -> list[str]:
    """The proposals for the end of a command line."""
    words = line.split(" ")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_GATECTL_COMPLETE": f"complete_{shell}", "SECRET": "hunter2"}
    environment |= (
        {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        if shell == "bash"
        else {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    )
    command = [sys.executable, "-m", "gatectl"]
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stderr == ""
    if shell == "zsh":
        return re.findall(r'"([^"]+)"(?::|\n|\))', result.stdout)
    return [line.partition("\t")[0] for line in result.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("shell", "line", "proposals"),
    [
        ("bash", "gatectl get r", ["routes"]),
        *(
            (shell, "gatectl get routes ", ["health", "tickets", "users", "customer-records", "assistant"])
            for shell in SHELLS
        ),
        ("zsh", "gatectl get upstreams u", ["users"]),
        ("fish", "gatectl get limits per-a", ["per-address"]),
        ("bash", "gatectl tokens mint alice --issuer ", ["staff"]),
        *((shell, "gatectl keys create a --role a", ["agent", "admin"]) for shell in SHELLS),
    ],
)
def test_a_shell_proposes_the_names_of_the_spec(desk: Path, shell: str, line: str, proposals: list[str]) -> None:
    assert ask(shell, line, desk) == proposals


def test_the_files_of_the_command_line_are_read_as_one_spec(desk: Path) -> None:
    assert "extra" in ask("bash", "gatectl get -f gateway.yaml -f prod.yaml routes ", desk)
    assert ask("bash", "gatectl get -f prod.yaml upstreams ", desk) == ["more", "other"]


def test_a_directory_is_read_and_a_name_from_the_environment_is_no_proposal(desk: Path) -> None:
    assert ask("bash", "gatectl get -f conf.d routes ", desk) == ["from-a-directory"]


@pytest.mark.parametrize("file", ["broken.yaml", "missing.yaml", "-"])
def test_a_spec_that_cannot_be_read_is_passed_over_in_silence(desk: Path, file: str) -> None:
    assert ask("bash", f"gatectl get -f {file} routes ", desk) == []


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_files_are_left_to_the_shell(desk: Path, shell: str) -> None:
    assert ask(shell, "gatectl validate -f g", desk) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_a_shell_is_there(shell: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gatectl", "--show-completion"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 64  # which shell it is for must be said, or be seen
    shown = subprocess.run(
        [sys.executable, "-m", "gatectl", "--show-completion", shell],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"_GATECTL_COMPLETE=complete_{shell}" in shown


def test_bash_completes_with_the_script(desk: Path) -> None:
    """The whole way: bash sources the script and calls the function that it defines."""
    program = desk / "gatectl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gatectl "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_GATECTL_COMPLETE=source_bash gatectl)"; '
        'COMP_WORDS=(gatectl get routes cust); COMP_CWORD=3; _gatectl_completion gatectl; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{desk}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script]
    result = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "customer-records"


def test_a_proposal_comes_at_once(desk: Path) -> None:
    """No models, no protobuf: the tree of the YAML is enough. CPU time, for others share this machine."""

    def once() -> float:
        before = os.times()
        ask("bash", "gatectl get routes ", desk)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(once() for _ in range(3)) < 0.5
