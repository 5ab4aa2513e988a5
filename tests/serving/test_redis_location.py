"""The grammar of Redis URLs: what each means, and that what is refused is told without repeating it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url

from serving.redis_location import Location, Login, parse

HOST = (("h", 6379),)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://h", Location("single", HOST)),
        ("redis://h/", Location("single", HOST)),
        ("redis://[::1]:7/3", Location("single", (("::1", 7),), database=3)),
        ("redis://:p%40ss@h", Location("single", HOST, login=Login(None, "p@ss"))),
        ("redis://u:p@h?db=2", Location("single", HOST, database=2, login=Login("u", "p"))),
        ("rediss://h", Location("single", HOST, tls={"ssl_check_hostname": True})),
        ("unix:///run/a%20b.sock?db=1", Location("single", (), "/run/a b.sock", database=1)),
        ("unix://u:p@/s", Location("single", (), "/s", login=Login("u", "p"))),
        ("redis+sentinel://a,b:7/shop", Location("sentinel", (("a", 26379), ("b", 7)), service="shop")),
        ("redis+sentinel://a/shop/2", Location("sentinel", (("a", 26379),), service="shop", database=2)),
        ("redis+cluster://a,[::1]:7", Location("cluster", (("a", 6379), ("::1", 7)))),
        ("redis+cluster://a/0", Location("cluster", (("a", 6379),))),
    ],
)
def test_a_url_means(url: str, location: Location) -> None:
    assert parse(url) == location


def test_options_are_the_files_and_the_login_of_the_sentinels() -> None:
    files = "ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_check_hostname=false&password_file=/p"
    location = parse(f"rediss+sentinel://me@a/shop?{files}&sentinel_username=w&sentinel_password=x")
    assert location.tls == {
        "ssl_ca_certs": "/ca", "ssl_certfile": "/c", "ssl_keyfile": "/k", "ssl_check_hostname": False
    }  # fmt: skip
    assert str(location.login.password_file) == "/p"
    assert location.sentinel_login == Login("w", "x")


WRONG = [
    *("", "h:6379", "http://h", "redis:", "redis://", "redis://h:x", "redis://h:0", "redis://h:65536", "redis://["),
    *("redis://h/x", "redis://h/1/2", "redis://h?db=-1", "redis://h#f", "redis://a,b", "redis://h?db=1&db=2"),
    *("redis://h?socket_timeout=1", "rediss://h?ssl_cert_reqs=none", "redis://h?ssl_ca_certs=/ca", "redis://h?db"),
    *("rediss://h?ssl_certfile=/c", "rediss://h?ssl_check_hostname=no", "redis://h?password_file=", "redis://h h"),
    *("unix://", "unix:///", "unix://h/s", "unix:///s?ssl_ca_certs=/ca", "redis+unix:///s", "unix+cluster:///s"),
    *("redis+sentinel://a", "redis+sentinel://a/shop/x", "redis+sentinel://a,/shop", "redis+sentinel:///shop"),
    *("redis+cluster://a/1", "redis+cluster://a/shop", "redis://h?sentinel_password=x"),
]


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_such_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a URL ") as caught:
        parse(url)
    assert len(url) < 12 or url not in str(caught.value)


@given(st.text(max_size=60) | st.from_regex(r"(redis|rediss|unix)(\+sentinel|\+cluster)?://[a-z0-9:@/?&=,%\[\]]*"))
def test_any_text_is_a_location_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert str(parse(text))


@given(
    st.from_regex(
        r"redis://([\w.%-]{0,4}:[\w.-]{1,4}@)?[a-z0-9.-]{1,9}(:[1-9][0-9]{0,3})?(/[0-9]{1,4})?", fullmatch=True
    )
)
def test_of_one_server_a_url_means_what_it_means_to_redis_py(url: str) -> None:
    location, theirs = parse(url), parse_url(url)
    assert location.addresses == ((theirs["host"], theirs.get("port", 6379)),)
    assert location.database == theirs.get("db", 0)
    assert (location.login.username, location.login.password) == (theirs.get("username"), theirs.get("password"))


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=("Cs",))))
def test_no_password_is_ever_shown(password: str) -> None:
    secret = f"s3cret{password}"
    location = Location("single", HOST, login=Login("u", secret), sentinel_login=Login("u", secret))
    assert "s3cret" not in str(location) + repr(location)


def test_a_password_file_is_read_again_each_time_and_its_first_line_counts(tmp_path) -> None:
    file = tmp_path / "p"
    login = parse(f"redis://me:ignored@h?password_file={file}").login
    with pytest.raises(OSError, match="No such file"):
        login.credentials()
    for password in ("one", "two"):
        file.write_text(f"{password}\r\nmore\n")
        assert login.credentials() == ("me", password)
