"""Where in a request a key may stand, and that it never gets any further."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext_authz import policy
from ext_authz.authenticators import named_values
from ext_authz.authenticators.api_key import ApiKeyAuthenticator
from ext_authz.authenticators.named_values import (
    NEVER_RIGHT,
    cookie_values,
    query_values,
    without_cookie,
    without_query,
)
from ext_authz.engine import Decision, Taken
from ext_authz.keyset import KeySet, connect
from tests.ext_authz.worlds import AGENT_KEY, CUSTOMER_KEY, POLICY, judge, request

EVERYWHERE = POLICY.model_copy(
    update={
        "issuers": (),
        "api_keys": policy.ApiKeys(
            header="x-api-key",
            query="key",
            cookie="sess",
            static=POLICY.api_keys.static if POLICY.api_keys is not None else (),
        ),
    }
)


def asked(path: str = "/tickets", cookie: str | None = None, key: str | None = None) -> Any:
    asked = request(path=path, key=key)
    return asked._replace(headers={**asked.headers, **({"cookie": cookie} if cookie is not None else {})})


async def decided(path: str = "/tickets", cookie: str | None = None, key: str | None = None) -> Decision:
    authenticators = (ApiKeyAuthenticator(KeySet(connect("redis://127.0.0.1:1/0"))),)
    return await judge(EVERYWHERE, asked(path, cookie, key), authenticators)


@pytest.mark.parametrize(
    ("path", "cookie", "taken"),
    [
        ("/tickets", None, Taken(("x-api-key",))),
        (f"/tickets?key={AGENT_KEY}", None, Taken(("x-api-key",), {":path": "/tickets"})),
        (f"/tickets?b=2&key={AGENT_KEY}&a&b=1", None, Taken(("x-api-key",), {":path": "/tickets?b=2&a&b=1"})),
        (f"/tickets?a=?&key={AGENT_KEY}", "other=1", Taken(("x-api-key",), {":path": "/tickets?a=?"})),
        ("/tickets?key2=x", f"sess={AGENT_KEY}", Taken(("x-api-key", "cookie"))),
        ("/tickets", f"a=1; sess={AGENT_KEY}", Taken(("x-api-key",), {"cookie": "a=1"})),
        ("/tickets", f"sess={AGENT_KEY}; a=x,y; b", Taken(("x-api-key",), {"cookie": "a=x,y; b"})),
        ("/tickets", f"a=1,b=2; sess={AGENT_KEY}; c=3", Taken(("x-api-key",), {"cookie": "a=1,b=2; c=3"})),
    ],
)
async def test_a_key_is_taken_from_its_place_and_the_upstream_gets_the_rest_as_it_was(
    path: str, cookie: str | None, taken: Taken
) -> None:
    key = AGENT_KEY if "key=" not in path and "sess" not in (cookie or "") else None
    decision = await decided(path, cookie, key)
    assert (decision.reason.code, decision.taken) == ("granted", (taken,))


OTHER_SPELLINGS = [
    "/tickets?%6bey=",
    "/tickets?k%65y=",
    "/tickets?key%20=",
    "/tickets?+key=",
    "/tickets?a=1&ke%79=",
]


@pytest.mark.parametrize(
    ("path", "cookie", "key", "reason"),
    [
        (f"/tickets?key={AGENT_KEY}", None, AGENT_KEY, "credential-duplicated"),
        (f"/tickets?key={AGENT_KEY}", f"sess={AGENT_KEY}", None, "credential-duplicated"),
        ("/tickets", f"sess={AGENT_KEY}", CUSTOMER_KEY, "credential-duplicated"),
        (f"/tickets?key={AGENT_KEY}&key={AGENT_KEY}", None, None, "credential-duplicated"),
        (f"/tickets?key={AGENT_KEY}&key", None, None, "credential-duplicated"),
        (f"/tickets?key={AGENT_KEY}&%6bey=x", None, None, "credential-duplicated"),
        ("/tickets", f"sess={AGENT_KEY}; sess={AGENT_KEY}", None, "credential-duplicated"),
        ("/tickets", f"sess={AGENT_KEY},sess=", None, "credential-duplicated"),
        ("/tickets", f"a=1; s%65ss=x; sess={AGENT_KEY}", None, "credential-duplicated"),
        ("/tickets", None, f"{AGENT_KEY},{AGENT_KEY}", "credential-duplicated"),
        ("/tickets?key=", None, None, "key-invalid"),
        ("/tickets?key", None, None, "key-invalid"),
        ("/tickets?" + "&" * 256, None, None, "key-invalid"),
        ("/tickets?" + "a&" * 256, None, AGENT_KEY, "credential-duplicated"),
        ("/tickets?" + "&" * 255, None, None, "credential-missing"),
        ("/tickets", ";," * 128, None, "key-invalid"),
        ("/tickets", ";," * 127, None, "credential-missing"),
        ("/tickets", "sess", None, "key-invalid"),
        ("/tickets", f's%65ss="{AGENT_KEY}"', None, "key-invalid"),
        ("/tickets", f'sess="{AGENT_KEY}"', None, "key-invalid"),
        (f"/tickets?key={AGENT_KEY.replace('_', '%5f')}", None, None, "key-invalid"),
        *((f"{spelt}{AGENT_KEY}", None, None, "key-invalid") for spelt in OTHER_SPELLINGS),
        (f"/tickets?KEY={AGENT_KEY}", None, None, "credential-missing"),
        (f"/tickets?a=1;key={AGENT_KEY}", None, None, "credential-missing"),
        ("/tickets", f"SESS={AGENT_KEY}", None, "credential-missing"),
        (f"/key={AGENT_KEY}", None, None, "credential-missing"),
    ],
)
@pytest.mark.parametrize("route", ["tickets", "open"])
async def test_two_keys_or_another_spelling_of_the_name_are_refused_on_public_routes_too(
    path: str, cookie: str | None, key: str | None, reason: str, route: str
) -> None:
    authenticators = (ApiKeyAuthenticator(KeySet(connect("redis://127.0.0.1:1/0"))),)
    decision = await judge(EVERYWHERE, asked(path, cookie, key)._replace(route=route), authenticators)
    assert decision.reason.code == ("public" if (route, reason) == ("open", "credential-missing") else reason)


@pytest.mark.parametrize("pair", ["", "%", "%6bex", "a%6b+=1"])
def test_a_long_query_or_cookie_is_not_searched(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    monkeypatch.setattr(named_values, "_means", lambda *pair: looked_at.append(pair))
    query = "&".join([pair] * (32_768 // (len(pair) + 1)))
    assert list(query_values(f"/x?{query}", "key")) == [NEVER_RIGHT]
    assert list(cookie_values(query.replace("&", ";"), "key")) == [NEVER_RIGHT]
    assert not looked_at


texts = st.text(st.sampled_from("key=&?%6b;, sa1"), max_size=30)


@given(texts)
def test_whatever_the_query_there_is_no_key_left_in_it(query: str) -> None:
    target = f"/x?{query}"
    rest = without_query(target, "key")
    assert query_values(rest, "key") == () or query_values(rest, "key") == []
    kept = [part for part in query.split("&") if not query_values(f"?{part}", "key")]
    assert rest == (f"/x?{'&'.join(kept)}" if "&".join(kept) else "/x")


@given(texts)
def test_whatever_the_cookies_there_is_no_key_left_in_them(header: str) -> None:
    assert not cookie_values(without_cookie(header, "key"), "key")
    if not cookie_values(header, "key"):
        assert without_cookie(header, "key").strip(";, \t") == header.strip(";, \t")
