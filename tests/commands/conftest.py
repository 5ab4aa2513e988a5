"""Fixtures of the command-line tests."""

from pathlib import Path

import pytest

from tests.commands.desk import Desk
from tests.commands.shell import gatectl

__all__ = ["gatectl"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An empty state directory beside a spec, and a current directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATECTL_STATE_DIR", raising=False)
    monkeypatch.setenv("GATECTL_USER", "tester")
    made = Desk(tmp_path, capsys)
    made.write()
    return made
