"""Options and fixtures of all tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files with what is rendered now")


LONG = ("e2e", "runtime", "rehearsal", "commands", "hostile")
"""Directories whose files start processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: whoever is done early takes a short one, and nobody waits for the last long one."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)
