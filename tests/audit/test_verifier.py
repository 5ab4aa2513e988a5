"""Whatever is done to a chain is found, and called by its name."""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.chain import CUT, GENESIS, LARGEST, ROTATED, Link, read, seal
from tests.audit.chains import judged, kinds, sealed

CHAIN = sealed(12)
PLACES = st.integers(0, len(CHAIN) - 1)


def test_a_chain_that_nobody_touched_is_whole_and_names_its_head() -> None:
    found = judged(CHAIN)
    assert (found.breaks, found.lines) == ([], 12)
    assert found.first
    assert found.last
    assert (found.first.link.seq, found.last.link.seq) == (1, 12)
    assert found.last.link.hash == json.loads(CHAIN[-1])["hash"]


def test_a_hash_covers_the_line_and_the_hash_before_as_anybody_can_recompute() -> None:
    for before, line in zip([None, *CHAIN], CHAIN, strict=False):
        body, _, digest = line.rstrip(b"\n").rpartition(b',"hash":')
        assert json.loads(line)["prev"] == (json.loads(before)["hash"] if before else "0" * 64)
        assert sha256(body + b"}").hexdigest() == json.loads(b"{" + b'"hash":' + digest)["hash"]


@given(PLACES, st.integers(0), st.integers(1, 255))
def test_any_byte_that_is_changed_is_found_at_its_line(place: int, at: int, change: int) -> None:
    line = bytearray(CHAIN[place])
    at %= len(line) - 1  # all but the newline
    line[at] ^= change
    if line[at] == ord("\n"):
        return  # two lines then: the next test
    damaged = [*CHAIN[:place], bytes(line), *CHAIN[place + 1 :]]
    assert [(one.kind, one.place) for one in judged(damaged).breaks] == [("edited", f"f:{place + 1}")]


@given(PLACES, st.integers(0))
def test_a_line_that_is_cut_in_two_by_a_newline_is_found(place: int, at: int) -> None:
    line = CHAIN[place]
    at = at % (len(line) - 1)
    assert judged([*CHAIN[:place], line[:at] + b"\n", line[at:], *CHAIN[place + 1 :]]).breaks


@given(st.integers(0, 10), st.integers(1, 11))
def test_lines_that_are_missing_are_found_wherever_but_at_the_end(first: int, count: int) -> None:
    rest = [*CHAIN[:first], *CHAIN[min(first + count, 11) :]]
    assert kinds(rest) == {"removed"}
    (one,) = judged(rest).breaks
    assert one.place == f"f:{first + 1}"


@given(st.lists(PLACES, min_size=2, max_size=2, unique=True))
def test_two_lines_that_changed_places_are_found(places: list[int]) -> None:
    swapped = list(CHAIN)
    one, other = places
    swapped[one], swapped[other] = swapped[other], swapped[one]
    assert kinds(swapped) == {"reordered"}


@given(st.permutations(range(12)))
def test_any_other_order_is_found(order: list[int]) -> None:
    assert bool(judged([CHAIN[index] for index in order]).breaks) is (order != sorted(order))


@given(
    PLACES, st.one_of(st.sampled_from(CHAIN), st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"") + b"\n"))
)
def test_a_line_that_is_put_in_is_found(place: int, line: bytes) -> None:
    assert "inserted" in kinds([*CHAIN[:place], line, *CHAIN[place:]])


@given(st.integers(0, 10))
def test_a_line_that_is_forged_with_the_right_hash_is_found_by_the_next_one(place: int) -> None:
    before = read(CHAIN[place - 1].rstrip(b"\n")) if place else None
    forged, _ = seal(before.link if before else GENESIS, 0.0, "w", "request.refused", {"reason": "harmless"})
    (one,) = judged([*CHAIN[:place], forged, *CHAIN[place + 1 :]]).breaks
    assert (one.kind, one.place) == ("edited", f"f:{place + 1}")
    assert {"inserted", "edited"} >= kinds([*CHAIN[:place], forged, *CHAIN[place:]]) != set()


@given(st.lists(st.tuples(st.sampled_from(["drop", "swap", "copy", "garble"]), PLACES, PLACES), min_size=1, max_size=6))
def test_several_changes_at_once_are_never_taken_for_a_whole_chain(changes: list[tuple[Any, ...]]) -> None:
    lines = list(CHAIN)
    for change, *places in changes:
        one, other = (place % len(lines) for place in places)
        if change == "drop" and one < len(lines) - 1:
            del lines[one]
        elif change == "swap":
            lines[one], lines[other] = lines[other], lines[one]
        elif change == "copy":
            lines.insert(one, lines[other])
        elif change == "garble":
            lines[one] = lines[one][: len(lines[one]) // 2] + b"\n"
    assert bool(judged(lines).breaks) is (lines != CHAIN[: len(lines)])


def test_the_end_that_is_cut_off_is_found_only_with_a_head_that_was_kept() -> None:
    head = json.loads(CHAIN[-1])["hash"]
    assert judged(CHAIN[:-2]).breaks == []
    assert judged(CHAIN[:-2], [head]).expected == {head}
    assert judged([*CHAIN, *sealed(13)[12:]], [head]).expected == set()


def test_a_line_without_its_end_is_torn() -> None:
    found = judged([*CHAIN[:-1], CHAIN[-1][:-20]])
    assert [(one.kind, one.place) for one in found.breaks] == [("torn", "f:12")]


def test_lines_that_the_writer_dropped_itself_are_not_missing_and_any_others_are() -> None:
    kept = read(CHAIN[4].rstrip(b"\n"))
    last = read(CHAIN[-1].rstrip(b"\n"))
    assert kept
    assert last
    dropped = {"dropped_through": 5, "dropped_hash": kept.link.hash}
    note, _ = seal(last.link, 0.0, "w", ROTATED, dropped)
    assert kinds([*CHAIN[5:], note]) == set()
    assert kinds([*CHAIN[6:], note]) == {"removed"}
    other, _ = seal(last.link, 0.0, "w", ROTATED, dropped | {"dropped_hash": "0" * 64})
    assert kinds([*CHAIN[5:], other]) == {"removed"}


def test_a_cut_that_the_writer_noticed_stays_on_record() -> None:
    last = read(CHAIN[-1].rstrip(b"\n"))
    assert last
    note, _ = seal(last.link, 0.0, "w", CUT, {"written": 20, "written_hash": "f" * 64})
    assert kinds([*CHAIN, note]) == {"removed"}


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": 7, "prev": "x", "hash": "y", "time": 0, "event": "z", "writer": "else"},
        {"text": "a\nb\u2028\x00\x1b[2J\ud800", "big": 1 << 80, "nan": float("nan"), "set": {1}, "bytes": b"\xff"},
        {"long": "x" * 2 * LARGEST},
    ],
)
def test_whatever_a_field_holds_the_line_is_one_and_whole(fields: dict[str, object]) -> None:
    line, link = seal(Link(41, "a" * 64), 0.0, "w", "e", fields)
    assert line.count(b"\n") == 1
    assert len(line) < LARGEST + 100
    found = read(line.rstrip(b"\n"))
    assert found
    assert (found.whole, found.link, found.link.seq, found.event) == (True, link, 42, "e")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_line_are_told_from_one(raw: bytes) -> None:
    assert read(raw) is None


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b"null", b"1", b'{"seq":1}', b'{"seq":true,"prev":"","time":"","event":"","hash":""}']
)
def test_json_that_is_no_line_is_told_from_one(raw: bytes) -> None:
    assert read(raw) is None
