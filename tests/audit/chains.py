"""Chains to read and to damage."""

from collections.abc import Sequence
from pathlib import Path

from audit import reading
from audit.chain import GENESIS, seal
from audit.verifier import Verifier, verify
from audit.writer import Entry, Writer


def sealed(count: int, writer: str = "w") -> list[bytes]:
    """A whole chain of so many lines, each with its newline."""
    lines, link = [], GENESIS
    for number in range(count):
        line, link = seal(link, 1_790_000_000 + number, writer, "request.refused", {"reason": f"r{number}"})
        lines.append(line)
    return lines


def judged(lines: Sequence[bytes], expected: Sequence[str] = ()) -> Verifier:
    return verify(((f"f:{number}", raw) for number, raw in enumerate(lines, 1)), expected)


def kinds(lines: Sequence[bytes]) -> set[str]:
    return {one.kind for one in judged(lines).breaks}


def entries(*events: str) -> list[Entry]:
    return [Entry(1_790_000_000.5, event, {}) for event in events]


def append(writer: Writer, *events: str) -> None:
    writer.append(entries(*events), wait=5)


def on_disk(directory: Path, writer: str = "w") -> Verifier:
    return verify(reading.lines(directory, writer))


def events(directory: Path) -> list[str]:
    return [event["event"] for event in reading.search(directory, reading.Question())]
