"""The command line without a process of its own, as if a shell had called it."""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from gatectl.cli import run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    def __call__(self, *arguments: str, stdin: str = "", directory: Path = ROOT, **environment: str) -> Ended: ...


@pytest.fixture
def gatectl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command without a process of its own."""

    def once(*arguments: str, stdin: str = "", directory: Path = ROOT, **environment: str) -> Ended:
        with monkeypatch.context() as changed:
            changed.chdir(directory)
            changed.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name, value in {"COLUMNS": "120", **environment}.items():
                changed.setenv(name, value)
            capsys.readouterr()
            code = run([*arguments])
            return Ended(code, *capsys.readouterr())

    return once
