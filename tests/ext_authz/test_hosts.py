import pytest

from ext_authz import hosts


@pytest.mark.parametrize(
    "host",
    [
        "a,b",
        "a,a",
        "user@a",
        "a/b",
        "a..b",
        "a.",
        ".a",
        ".",
        "a b",
        "%61",
        "a;",
        "a:",
        "a:x",
        "a:123456",
        "[::1",
        "[x]",
        "ä",
        "a\n",
    ],
)
def test_what_could_be_taken_for_another_host_is_none(host: str) -> None:
    assert not hosts.is_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "a", "A.Example", "a.example:8080", "127.0.0.1", "[::1]", "[::1]:80", "xn--bcher-kva.example", "my_service"],
)
def test_a_name_an_address_and_nothing_are_hosts(host: str) -> None:
    assert hosts.is_host(host)
