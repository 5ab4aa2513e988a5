"""What a limit lets through, as text."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError

from gatectl.spec.model.allowance import AT_ONCE, Allowance, AllowancesField, parse, rate, write
from ratelimit_svc.policy import Rate

DAY = 86_400_000


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("100/minute", [Allowance(100, 60_000, "minute")]),
        ("0/90s", [Allowance(0, 90_000)]),
        ("100/minute burst 20", [Allowance(100, 60_000, "minute", 20)]),
        ("5 at once", [Allowance(5, 0, AT_ONCE)]),
        ("unlimited", []),
        (["10/second", "250/day"], [Allowance(10, 1000, "second"), Allowance(250, DAY, "day")]),
        ("7/1.5h", [Allowance(7, 5_400_000)]),
    ],
)
def test_an_allowance_is_read_as_what_it_says(written: Any, read: list[Allowance]) -> None:
    assert parse(written) == tuple(read)


@pytest.mark.parametrize(
    "written",
    [
        *("", "5", "5/fortnight", "5 / minute", "5/minute burst", "5/minute burst 0", "-1/day", "٣/day", "Unlimited"),
        *("5 at once burst 2", "9007199254740993/day", "5/0s"),
        *(5, None, True, [], ["unlimited"], [["5/day"]], ["1/day"] * 9),
    ],
)
def test_anything_else_is_refused(written: Any) -> None:
    with pytest.raises(PydanticCustomError):
        parse(written)


@given(
    st.lists(
        st.builds(
            lambda requests, length, burst: f"{requests}/{length}" + (f" burst {burst}" if burst else ""),
            st.integers(0, 2**53),
            st.sampled_from(["second", "minute", "hour", "day", "week", "month", "90s", "15m", "250ms", "31d"]),
            st.none() | st.integers(1, 2**53),
        ),
        max_size=8,
    )
)
def test_what_is_written_back_means_the_same(texts: list[str]) -> None:
    read = parse(texts or "unlimited")
    assert parse(write(read)) == read


@pytest.mark.parametrize(
    ("text", "algorithm", "expected"),
    [
        ("10/day", "sliding_window", Rate(requests=10, window_ms=DAY)),
        ("10/day", "quota", Rate(requests=10, window_ms=DAY, period="day")),
        ("10/month", "quota", Rate(requests=10, window_ms=31 * DAY, period="month")),
        ("10/minute burst 3", "token_bucket", Rate(requests=10, window_ms=60_000, burst=3)),
        ("10 at once", "concurrency", Rate(requests=10, window_ms=7000)),
    ],
)
def test_what_the_limiter_counts_by_depends_on_how_it_counts(text: str, algorithm: Any, expected: Rate) -> None:
    (one,) = parse(text)
    assert rate(one, algorithm, 7000) == expected


def test_the_schema_takes_what_the_parser_takes() -> None:
    schema = TypeAdapter(AllowancesField).json_schema()
    one, several = schema["anyOf"]
    for text in ("100/minute", "5 at once", "unlimited", "1/month", "1/90s burst 2"):
        assert re.search(one["pattern"], text)
    assert not re.search(one["pattern"], "1/fortnight")
    assert several["items"] == one
