"""The progress of a rollout on a terminal: a row for each target, filled as it takes over."""

import io

from rich.console import Console

from gatectl.rollout.converge import Event
from gatectl.views.human.rollout import Board


def drawn(*events: Event) -> list[str]:
    """What stands on the terminal after the events."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, no_color=True, legacy_windows=False)
    board = Board(console, ["ext_authz", "envoy"])
    for event in events:
        board.show(event)
    plain = Console(file=io.StringIO(), width=100, record=True)
    plain.print(board._table())
    return [line.rstrip() for line in plain.export_text().splitlines() if line.strip()]


def test_everybody_has_a_row_from_the_start_and_only_the_columns_that_concern_it() -> None:
    header, service, node = drawn()
    assert header.split() == ["TARGET", "POLICY", "CDS", "LDS", "RDS"]
    assert service.split() == ["ext_authz", "…"]
    assert node.split() == ["envoy", "…", "…", "…"]


def test_what_was_taken_over_is_ticked_and_the_step_stands_above() -> None:
    step, _, service, node = drawn(
        Event("loaded abc", "ext_authz", "policy"), Event("switching to abc"), Event("cds abc", "envoy", "cds")
    )
    assert step == "switching to abc"
    assert service.split() == ["ext_authz", "✓", "loaded", "abc"]
    assert node.split() == ["envoy", "✓", "cds", "abc", "…", "…"]


def test_the_terminal_is_left_as_it_was() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with Board(console, ["envoy"]) as board:
        board.show(Event("switching to abc"))
    assert "\x1b[?25l" in out.getvalue()
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l"), "the cursor is shown again"
