"""What the ready screen gives to try."""

import pytest

from gatectl.runtime import session
from gatectl.spec.model import ApiKeys, Try


@pytest.mark.parametrize(
    ("places", "repeat", "line"),
    [
        ({}, 1, "curl -s -H 'X-API-Key: k1' -i http://h/p"),
        ({"header": "X-K", "cookie": "c", "query": "q"}, 1, "curl -s -H 'X-K: k1' -i http://h/p"),
        ({"cookie": "c", "query": "q"}, 1, "curl -s -b c=k1 -i http://h/p"),
        ({"query": "q"}, 1, "curl -s -i 'http://h/p?q=k1'"),
        ({"query": "q"}, 3, r"curl -s -o /dev/null -w '%{http_code}\n' 'http://h/p?q=k1&try=[1-3]' | sort | uniq -c"),
        ({}, 3, r"curl -s -H 'X-API-Key: k1' -o /dev/null -w '%{http_code}\n' 'http://h/p?try=[1-3]' | sort | uniq -c"),
    ],
)
def test_a_request_to_try_has_its_key_where_the_gateway_looks_for_it(
    places: dict[str, str], repeat: int, line: str
) -> None:
    request = Try(title="t", key="alice", path="/p", expect=200, repeat=repeat)
    assert session._curl(request, "http://h", ApiKeys(**places), {"alice": "k1"}, ()) == line
