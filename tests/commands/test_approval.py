"""Somebody must say yes: on a terminal, or beforehand."""

import os
import sys
from collections.abc import Callable

import pytest

from tests.commands.desk import Desk

APPLY = ["apply", "--envoy", "off", "--no-wait"]
Answered = Callable[[bytes], tuple[int, str]]


@pytest.fixture
def answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Answered:
    """Exit code and what was asked, when ``answer`` is typed on a terminal."""

    def apply(answer: bytes) -> tuple[int, str]:
        master, slave = os.openpty()
        try:
            os.write(master, answer)
            with os.fdopen(slave) as terminal, monkeypatch.context() as changed:
                changed.setattr(sys, "stdin", terminal)
                ran = desk.run(*APPLY)
        finally:
            os.close(master)
        return ran.code, ran.err

    return apply


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"yess\n", b"\x04"], ids=["no", "nothing", "nearly", "end"])
def test_anything_but_yes_changes_nothing(desk: Desk, answered: Answered, answer: bytes) -> None:
    code, asked = answered(answer)
    assert code == 1, asked
    assert "into force? [y/N]" in asked
    assert "nothing was changed" in asked
    assert not desk.state.exists()


def test_yes_is_yes(desk: Desk, answered: Answered) -> None:
    code, asked = answered(b" YES \n")
    assert code == 0, asked
    assert desk.in_force is not None
    code, asked = answered(b"")
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
