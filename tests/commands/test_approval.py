"""Somebody must say yes: on a terminal, or beforehand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.desk import Desk

ROOT = Path(__file__).parents[2]
APPLY = ["apply", "--envoy", "off", "--no-wait"]


def answered(directory: Path, answer: bytes) -> tuple[int, str]:
    """Exit code and what was asked, when ``answer`` is typed on a terminal."""
    master, slave = os.openpty()
    try:
        os.write(master, answer)
        ran = subprocess.run(
            [sys.executable, "-m", "gatectl", *APPLY],
            stdin=slave,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"yess\n", b"\x04"], ids=["no", "nothing", "nearly", "end"])
def test_anything_but_yes_changes_nothing(desk: Desk, answer: bytes) -> None:
    code, asked = answered(desk.directory, answer)
    assert code == 1, asked
    assert "into force? [y/N]" in asked
    assert "nothing was changed" in asked
    assert not desk.state.exists()


def test_yes_is_yes(desk: Desk) -> None:
    code, asked = answered(desk.directory, b" YES \n")
    assert code == 0, asked
    assert desk.in_force is not None
    code, asked = answered(desk.directory, b"")
    assert (code, "[y/N]" in asked) == (0, False), "what is in force already needs no approval"


@pytest.mark.parametrize("output", ["human", "json"])
def test_without_a_terminal_nobody_can_be_asked(desk: Desk, output: str) -> None:
    ran = desk.run(*APPLY, "-o", output)
    assert ran.code == 64
    assert "pass --auto-approve" in ran.out + ran.err
    assert not desk.state.exists()


def test_a_rollback_asks_too(desk: Desk) -> None:
    first = desk.applied()
    desk.upstream("10s")
    second = desk.applied()
    assert desk.run("rollback", first, "--envoy", "off", "--no-wait").code == 64
    assert desk.in_force == second
