"""Whether a chain is whole, line by line, and if not, what was done to it. Pure; its memory is bounded."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from audit.chain import CUT, GENESIS, ROTATED, Line, Link, read

Kind = Literal["edited", "removed", "inserted", "reordered", "torn"]
MOST = 1000
"""Breaks that are told one by one; of a chain with more, the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Break:
    """Something that was done to a chain. ``place`` is ``file:line``."""

    place: str
    kind: Kind
    message: str


@dataclass(slots=True)
class _Gap:
    """Lines ``low`` to ``high`` are not where they belong; ``seen`` of them came later."""

    place: str
    low: int
    high: int
    prev: str | None
    """The hash of line ``high``, when it is known."""
    seen: int = 0
    dropped: bool = False
    """The writer says that it dropped them itself, to keep the trail within its size."""


@dataclass(slots=True)
class Verifier:
    """Feed it every line in order with :meth:`add`, then :meth:`end`; the fields say what was found."""

    expected: set[str] = field(default_factory=set)
    """Hashes that must be in some chain; those that are met are taken out."""
    lines: int = 0
    first: Line | None = None
    last: Line | None = None
    """The last line that is as it was written: its hash is the head of the chain."""
    breaks: list[Break] = field(default_factory=list)
    more: int = 0
    """Breaks beyond those in ``breaks``."""
    _link: Link = GENESIS
    _place: str = ""
    _suspects: list[str] = field(default_factory=list)
    _gaps: list[_Gap] = field(default_factory=list)

    def add(self, place: str, raw: bytes) -> None:
        """One line as it stands in the file, with its newline unless it has none."""
        self.lines += 1
        line = read(raw.removesuffix(b"\n"))
        if not raw.endswith(b"\n"):
            self._found(place, "torn", "the line was cut in two; the next writer sets it aside")
        elif line is None or not line.whole:
            self._suspects.append(place)  # damaged or put in: the next whole line tells
        else:
            self._whole(place, line)

    def _whole(self, place: str, line: Line) -> None:
        self.expected.discard(line.link.hash)
        if self._suspects and not line.follows(self._link):
            missing = line.link.seq - self._link.seq - 1
            if missing > len(self._suspects):
                self._gap(place, line.link.seq - len(self._suspects) - 1, None)
            if missing > 0:
                self._judge("edited")
                self._advance(place, line)
                return
        self._judge("inserted")
        if line.follows(self._link):
            self._advance(place, line)
        elif line.link.seq > self._link.seq + 1:
            self._gap(place, line.link.seq - 1, line.prev)
            self._advance(place, line)
        elif gap := next((gap for gap in self._gaps if gap.low <= line.link.seq <= gap.high), None):
            gap.seen += 1
            self._found(place, "reordered", f"line {line.link.seq} stands after line {self._link.seq}")
        elif line.link.seq == self._link.seq + 1:
            self._found(self._place or place, "edited", f"line {line.link.seq} follows another line than this one")
            self._advance(place, line)
        else:
            self._found(place, "inserted", f"line {line.link.seq} was there before")

    def _advance(self, place: str, line: Line) -> None:
        self._link, self._place, self.last = line.link, place, line
        self.first = self.first or line
        if line.event == CUT:
            self._found(
                place, "removed", f"its writer had written {line.data.get('written')} lines, and they were gone"
            )
        if line.event == ROTATED and self._gaps:
            gap, through, digest = self._gaps[0], line.data.get("dropped_through"), line.data.get("dropped_hash")
            if gap.low == 1 and gap.high == through and gap.prev in {None, digest}:
                gap.dropped = True

    def _gap(self, place: str, high: int, prev: str | None) -> None:
        if len(self._gaps) < MOST:
            self._gaps.append(_Gap(place, self._link.seq + 1, high, prev))
        else:
            self.more += 1

    def _judge(self, kind: Kind) -> None:
        words = {"edited": "the line is not what was written", "inserted": "nobody wrote this line here"}
        for place in self._suspects:
            self._found(place, kind, words[kind])
        self._suspects.clear()

    def _found(self, place: str, kind: Kind, message: str) -> None:
        if len(self.breaks) < MOST:
            self.breaks.append(Break(place, kind, message))
        else:
            self.more += 1

    def end(self) -> None:
        """After the last line."""
        self._judge("edited")
        for gap in self._gaps:
            missing = gap.high - gap.low + 1 - gap.seen
            if missing > 0 and not gap.dropped:
                which = (
                    f"line {gap.low} is" if gap.low == gap.high else f"{missing} of lines {gap.low} to {gap.high} are"
                )
                self._found(gap.place, "removed", f"{which} missing before this one")


def verify(lines: Iterable[tuple[str, bytes]], expected: Iterable[str] = ()) -> Verifier:
    """The verdict on a whole chain: every line with its place, in order."""
    verifier = Verifier(set(expected))
    for place, raw in lines:
        verifier.add(place, raw)
    verifier.end()
    return verifier
