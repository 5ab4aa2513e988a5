"""Options and fixtures of all tests."""

import gc
import os
import re
import signal
import sys

import pytest

# Hundreds of processes start, and each would compile every module again where bytecode is not kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
gc.set_threshold(50_000, 10, 10)  # as gatectl.cli does for itself: a quarter of the time saved
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts jobs in the background; it would be inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files with what is rendered now")


LONG = ("e2e", "runtime", "rehearsal", "commands", "hostile")
"""Directories whose files start processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: whoever is done early takes a short one, and nobody waits for the last long one."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


_KEY = re.compile(r"(?:_|%5f)[a-z0-9]{12}(?:_|%5f)[a-z0-9]{50}(?:_|%5f)[0-9a-f]{8}")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Keys are random behind their prefix, and a test is called the same in every worker."""
    return _KEY.sub("(key)", val) if isinstance(val, str) and _KEY.search(val) else None
