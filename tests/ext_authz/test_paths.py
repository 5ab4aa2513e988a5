import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext_authz import paths


@pytest.mark.parametrize(
    "path",
    [
        "//admin",
        "/./admin",
        "/a/../admin",
        "/a/..;/admin",
        "/%2e%2e/admin",
        "/%2E/",
        "/a/..",
        "/a/.",
        "/admin%2fx",
        "/admin%2Fx",
        "/admin%5cx",
        "/admin%5Cx",
        "/admin\\x",
        "/admin%00",
        "/admin%0a",
        "/admin%7f",
        "/admin%1F",
        "/%c0%ae%c0%ae/admin",
        "/%C1%9cadmin",
        "/%e0%80%af",
        "/%F0%80%80%AF",
        "/admin#f",
        "/admin;x",
        "/;/admin",
        "/admin%",
        "/admin%2",
        "/admin%zz",
        "*",
        "admin",
        "http://other/admin",
        "",
        " ",
        "/a b",
        "/\uff0e\uff0e/admin",
        "/a\u2028",
        "/a\tb",
        "/a\x00",
        "/a\x7f",
        "/a\n",
        "/a/\xa0",
        "?",
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_not_canonical(path: str) -> None:
    assert not paths.is_canonical(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a",
        "/a/",
        "/a/b.c",
        "/a/..b",
        "/...",
        "/*",
        "/{id}",
        "/a%20b",
        "/%c3%a9",
        "/%e0%a4%85",
        "/%F0%9F%98%80",
        "/a:b@c",
    ],
)
def test_an_ordinary_path_is_canonical(path: str) -> None:
    assert paths.is_canonical(path)


@pytest.mark.parametrize(
    ("target", "path"),
    [("/a?b=c", "/a"), ("//host/a?b", "//host/a"), ("/a?b?c", "/a"), ("?", ""), ("", ""), ("/a%3Fb", "/a%3Fb")],
)
def test_the_query_begins_at_the_first_question_mark(target: str, path: str) -> None:
    assert paths.without_query(target) == path


@pytest.mark.parametrize(
    ("template", "path", "raw"),
    [
        ("/customers/{id}", "/customers/42", {"id": "42"}),
        ("/customers/{id}", "/customers/4%202", {"id": "4%202"}),
        ("/c/{id}/t/{t}", "/c/1/t/2", {"id": "1", "t": "2"}),
        ("/customers/{id}", "/customers/", None),
        ("/customers/{id}", "/customers", None),
        ("/customers/{id}", "/customers/42/", None),
        ("/customers/{id}", "/customers/42/x", None),
        ("/customers/{id}", "/Customers/42", None),
        ("/customers/{id}", "/%63ustomers/42", None),
        ("/customers/{id}", "/customers/{id}", {"id": "{id}"}),
        ("/fixed", "/fixed", {}),
    ],
)
def test_a_template_matches_segment_by_segment(template: str, path: str, raw: dict[str, str] | None) -> None:
    assert paths.match(template, path) == raw


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("42", "42"),
        ("a%20b", "a b"),
        ("%C3%A9", "é"),
        ("%2534", "%34"),
        ("+7", "+7"),
        ("%c0%ae", None),
        ("%ff", None),
        ("%c3", None),
        ("a%2fb", None),
        ("a%0ab", None),
        ("%e2%80%ae", None),
    ],
)
def test_a_variable_is_decoded_once_and_strictly(raw: str, value: str | None) -> None:
    assert paths.decode({"id": raw}) == (None if value is None else {"id": value})


@given(st.text())
def test_no_text_makes_the_path_functions_fail(text: str) -> None:
    path = paths.without_query(text)
    if paths.is_canonical(path):
        raw = paths.match("/{a}/{b}", path)
        assert raw is None or all(raw.values())
        assert raw is None or paths.decode(raw) is None or "/" not in "".join((paths.decode(raw) or {}).values())
