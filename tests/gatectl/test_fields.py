"""The small types: durations, sizes, rates, names, paths. What each takes, and what it must not take."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gatectl import fields
from gatectl.fields import LONGEST_MS, Rate

HOUR, DAY = 3_600_000, 86_400_000
HOSTILE = [
    "",
    " ",
    "\n",
    "\0",
    "٣",
    "９",
    "Ⅷ",
    "²",
    "9" * 5000,
    "é",
    "\u202e",
    "\ue000",
    "a\0b",
    "a\rb",
    "${A}",
    "{{ a }}",
]
"""Refused by every type but Text and HeaderValue."""

GOOD: dict[str, dict[str, Any]] = {
    "Duration": {
        "1ms": 1,
        "500ms": 500,
        "30s": 30_000,
        "007s": 7000,
        "5m": 300_000,
        "1.5h": HOUR + HOUR // 2,
        "2d": 2 * DAY,
        "366d": LONGEST_MS,
        "0.001s": 1,
        "1.0015s": 1002,
    },
    "Size": {"1B": 1, "32KiB": 32 << 10, "1MiB": 1 << 20, "3GiB": 3 << 30, "4294967295B": (1 << 32) - 1},
    "RateField": {
        "0/second": Rate(0, 1000),
        "100/minute": Rate(100, 60_000),
        "10/hour": Rate(10, HOUR),
        "7/day": Rate(7, DAY),
        "50/90s": Rate(50, 90_000),
        "1/1.5s": Rate(1, 1500),
        "9007199254740992/day": Rate(2**53, DAY),
    },
    "Name": {name: name for name in ("a", "0", "a-b", "tickets", "a" * 63, "a-")},
    "Method": {method: method for method in ("GET", "PROPFIND", "M")},
    "AttributeName": {name: name for name in ("a", "tenant_id", "a0")},
    "HeaderName": {name: name for name in ("x", "X-API-Key", "a.b", "!#$%&'*+.^`|~-", "a" * 128)},
    "HeaderValue": {value: value for value in ("", " a ", "no: {[*&'\"", "\t", "%REQ(x)%", "${A}", "-1", "a" * 4096)},
    "Text": {value: value for value in ("a", "é", "٣", "a b", "'\"{[", "\u202f")},
    "Path": {
        path: path for path in ("/", "/a", "/a/", "/a.b/c..d/...", "/a%20b", "/a=b&c", "/~@:+,!$'()*", "/" + "a" * 2047)
    },
    "PathTemplate": {path: path for path in ("/{a}", "/a/{b_1}/c", "/a", "/a.b/{c}")},
    "Host": {host: host for host in ("a", "a.example", "*.example.com", "10.0.0.1", "xn--bcher-kva.example")},
    "Address": {address: address for address in ("0.0.0.0", "127.0.0.1", "::", "2001:db8::1")},
    "Endpoint": {one: one for one in ("a:1", "10.0.0.1:80", "[::1]:80", "a_b.example:8080")},
}
WORDS = {
    "Duration": """30 s 0s 0ms 0.4ms 0.5ms 367d 1.s .5s 1S -1s +1s 1e3s ٣s １s 1٫5s infs nans 0x1s 1_0s 1,5s 1h30m 1w
        1us -1 inf nan 1e3""",
    "Size": "0B 1 1KB 1K 1kib 1.5MiB -1B +1B 1e3B 0x1B 1_0B 4GiB 4294967296B ٣B infB",
    "RateField": """1 /minute 1/ 1/min 1/s 1/Minute -1/minute 1.5/minute 1e3/minute ٣/minute 1/٣s 1/0s 1/367d 1/1e3s
        1/1/1s 9007199254740993/day""",
    "Name": "A -a a_b a.b a/b",
    "Method": "get G-T GET|POST .*",
    "AttributeName": "A 0a _a a-b a.b",
    "HeaderName": 'a_b a:b :path a,b a"',
    "HeaderValue": "é",
    "Text": "",
    "Path": r"""a // /a//b //a /. /.. /a/../b /a/./b /a/.. /a/%2e%2E/b /a%2fb /a%5Cb /a% /a%zz /%2 /a?b /a#b /a;b /a\b
        /é /a[b] /{a} http://a/b""",
    "PathTemplate": "/ /a/ // /{A} /{} /{a /a{b} /{a}{b} /* /{a=*} /../{a} /./{a} /{a}/.. /%41",
    "Host": "* A.example a.* *a.example a:80 [::1] .a a. -a a_b *.*.a",
    "Address": "localhost a.example 1.2.3 256.1.1.1 [::1] 127.0.0.1:80",
    "Endpoint": "a a: :80 a:123456 ::1:80 [::::]:80 [a]:80 [127.0.0.1:80 http://a:80 a:80/ a:٣",
}
ODD: dict[str, list[Any]] = {
    "Duration": ["1 s", " 1s", "1s ", "9" * 400 + "s", "1." + "0" * 400 + "s", 30, 30.0, True, None, [], {}],
    "Size": ["1 MiB", "9" * 5000 + "B", 1, None],
    "RateField": ["1 /minute", "1/ minute", "9" * 5000 + "/day", "1/" + "9" * 400 + "s", 1, None, (1, 1000)],
    "Name": ["a b", "\na", "a" * 64, 1],
    "Method": ["A" * 21],
    "AttributeName": ["a" * 64],
    "HeaderName": ["a b", "a\r\nb", "a" * 129],
    "HeaderValue": ["a\n", "a\r\nb", "\x7f", "\x00", "\x1b[31m", "a" * 4097],
    "Text": ["", "\x00", "\n", "a\n", "\x1b", "\x7f", "\x85", "\ue000", "\udcff", "\uffff", "a" * 4097],
    "Path": ["/a b", "/" + "a" * 2048],
    "PathTemplate": ["/" + "a" * 2048],
    "Host": ["a" * 254],
    "Address": [None],
    "Endpoint": ["a b:1"],
}
BAD = {kind: [*words.split(), *ODD[kind]] for kind, words in WORDS.items()}
TEXTS = {"HeaderValue", "Text"}


def read(kind: str, value: Any) -> Any:
    return TypeAdapter(getattr(fields, kind)).validate_python(value, strict=True)


@pytest.mark.parametrize(("kind", "written"), [(kind, written) for kind, table in GOOD.items() for written in table])
def test_a_value_is_read(kind: str, written: str) -> None:
    assert read(kind, written) == GOOD[kind][written]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(kind, value) for kind, values in BAD.items() for value in values]
    + [(kind, value) for kind in BAD if kind not in TEXTS for value in HOSTILE],
)
def test_a_value_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        read(kind, value)


@pytest.mark.parametrize("kind", ["Duration", "Size", "RateField", "Name"])
def test_a_refusal_never_talks_about_python(kind: str) -> None:
    for value in [*BAD[kind], *HOSTILE]:
        with pytest.raises(ValidationError) as caught:
            read(kind, value)
        assert caught.value.errors()[0]["type"] in {"unreadable", "malformed", "string_type"}


@pytest.mark.parametrize(("port", "good"), [(0, False), (1, True), (65535, True), (65536, False), ("80", False)])
def test_a_port_is_1_to_65535(port: Any, good: bool) -> None:
    if good:
        assert read("Port", port) == port
    else:
        with pytest.raises(ValidationError):
            read("Port", port)


@given(number=st.integers(1, 10**9), unit=st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_whole_duration_is_exact(number: int, unit: str) -> None:
    expected = number * {"ms": 1, "s": 1000, "m": 60_000, "h": HOUR, "d": DAY}[unit]
    if expected <= LONGEST_MS:
        assert fields.parse_duration(f"{number}{unit}") == expected
    else:
        with pytest.raises(ValueError, match="366d"):
            fields.parse_duration(f"{number}{unit}")


@given(value=st.text() | st.from_regex(r"\A\d+(\.\d+)?(ms|s|m|h|d|B|KiB|/minute|/\d+s)\Z"))
def test_whatever_is_read_is_in_range_and_ascii(value: str) -> None:
    for kind, highest in (("Duration", LONGEST_MS), ("Size", (1 << 32) - 1)):
        try:
            number = read(kind, value)
        except ValidationError:
            continue
        assert 1 <= number <= highest
        assert value.isascii()


@pytest.mark.parametrize("kind", sorted(set(GOOD) - TEXTS))
def test_a_pattern_ends_where_the_text_ends(kind: str) -> None:
    """``$`` of other engines, Python's among them, stands before a last newline too."""
    for written in GOOD[kind]:
        with pytest.raises(ValidationError):
            read(kind, f"{written}\n")


def test_an_omittable_field_may_be_absent_but_not_empty() -> None:
    adapter = TypeAdapter(fields.Omittable[int])
    assert adapter.validate_python(1) == 1
    with pytest.raises(ValidationError, match="leave the field out"):
        adapter.validate_python(None)


@pytest.mark.parametrize("kind", ["Duration", "Size", "RateField"])
def test_the_schema_of_an_editor_agrees(kind: str) -> None:
    """What is shown as the pattern is the very one that reads."""
    schema = get_args(getattr(fields, kind))[-1].json_schema
    assert read(kind, schema["examples"][0])
