"""``python -m bench.run``: measure both paths, checks and limits, print tables, write docs/performance.md."""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from bench import checks, distinct, limits, report, targets, world, wrk

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
WARM_UP_SECONDS = 2


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def compare(
    wrk_path: str, *, rounds: int, seconds: int, connections: int, say: Callable[[str], None]
) -> report.Comparison:
    """Measure ``rounds`` rounds of each path. Raises BenchError."""
    measured: dict[str, list[wrk.Measurement]] = {}

    def load(target: targets.Target, duration: int) -> wrk.Measurement:
        return wrk.measure(wrk_path, target.url, api_key=target.api_key, connections=connections, seconds=duration)

    with targets.backend() as upstream, targets.bare_envoy(upstream) as bare, targets.full_path(upstream) as full:
        for target in (bare, full):
            load(target, WARM_UP_SECONDS)
        for number in range(rounds):
            for target in (bare, full) if number % 2 == 0 else (full, bare):
                say(f"round {number + 1} of {rounds}: {target.name}")
                measured.setdefault(target.name, []).append(load(target, seconds))
    return report.Comparison(measured[bare.name], measured[full.name], connections, seconds)


def _say(what: str) -> None:
    print(what, file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """0: measured, and what is promised holds; 1: it does not, or nothing was measured. A bad argument exits 2."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=_between(1, 10), default=5, help="rounds of each path (default: %(default)s)")
    parser.add_argument("--seconds", type=_between(1, 30), default=5, help="of each round (default: %(default)s)")
    parser.add_argument("--connections", type=_between(1, 256), default=32, help="at once (default: %(default)s)")
    parser.add_argument(
        "--report", type=Path, default=REPORT, help="Markdown file to write (default: docs/performance.md)"
    )
    options = parser.parse_args(argv)
    chatter = Console(stderr=True)
    try:
        wrk_path = wrk.find()
        comparison = compare(
            wrk_path,
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
            say=chatter.print,
        )
        costs = checks.measure(options.rounds, chatter.print)
        decisions = limits.measure(chatter.print)
        with ProcessPoolExecutor(1, get_context("spawn")) as afresh:  # what the others took is not to be counted
            kept = afresh.submit(distinct.measure, _say).result()
        wrk_version = wrk.version(wrk_path)
    except wrk.BenchError as error:
        chatter.print(f"bench: {error}", style="red", markup=False)
        return 1
    checked = report.Checks(costs, world.ROUTES, world.KEYS)
    Console().print(*report.tables(comparison, checked, decisions, kept))
    options.report.write_text(
        report.markdown(comparison, checked, decisions, kept, day=datetime.now(UTC).date(), wrk_version=wrk_version)
    )
    chatter.print(f"written: {options.report}", markup=False, highlight=False)
    return 0 if comparison.meets_floor and checked.meets_ceiling else 1


if __name__ == "__main__":
    sys.exit(main())
