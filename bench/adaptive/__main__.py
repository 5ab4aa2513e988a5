"""Draws the plots of docs/adaptive-limits.md: ``python -m bench.adaptive``."""

from pathlib import Path

from bench.adaptive.plots import plot
from bench.adaptive.scenarios import SCENARIOS

DIRECTORY = Path(__file__).parents[2] / "docs" / "adaptive"


def main() -> None:
    """Write one file for each scenario."""
    for name, scenario in SCENARIOS.items():
        (DIRECTORY / f"{name}.svg").write_text(plot(scenario.title, scenario.run()))


if __name__ == "__main__":
    main()
