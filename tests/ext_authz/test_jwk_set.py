import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext_authz import jwk_set
from tests.ext_authz.worlds import EC, ED, KEY_SET, RSA, RSA_OTHER, key_set, public_jwk

SMALL_RSA = {"kty": "RSA", "kid": "s", "e": "AQAB", "n": "x" * 171}  # 1024 bits


def test_each_key_may_only_verify_what_fits_its_type() -> None:
    keys = {key.kid: key.algorithms for key in jwk_set.parse(KEY_SET)}
    assert keys == {
        "rsa": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        "ec": {"ES256"},
        "ed": {"EdDSA"},
    }


@pytest.mark.parametrize(
    "odd",
    [
        public_jwk(RSA_OTHER, "x", use="enc"),
        public_jwk(RSA_OTHER, "x", alg="RSA-OAEP"),
        public_jwk(RSA_OTHER, "x", alg="HS256"),
        public_jwk(RSA_OTHER, "x", alg=7),
        public_jwk(RSA_OTHER, "x", key_ops=["encrypt"]),
        public_jwk(RSA_OTHER, "x", key_ops="verify"),
        public_jwk(RSA_OTHER, "x", key_ops=5),
        public_jwk(RSA_OTHER, "x", key_ops=None),
        public_jwk(EC, "x", crv="P-384"),
        public_jwk(EC, "x", crv=["P-256"]),
        public_jwk(ED, "x", x="AA"),
        {"kty": "new", "kid": "x"},
        {"kid": "x"},
        {},
        SMALL_RSA,
    ],
    ids=range(15),
)
def test_a_key_of_no_use_to_us_is_skipped(odd: dict[str, Any]) -> None:
    assert [key.kid for key in jwk_set.parse(key_set(odd, public_jwk(EC, "ec")))] == ["ec"]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b"\xff",
        b"[" * 100_000,
        b" " * (2**20 + 1),
        key_set(SMALL_RSA),
        key_set({"kty": "oct", "k": "c2VjcmV0"}, public_jwk(RSA, "rsa")),
        key_set({"kty": "oct"}),
        key_set(*[public_jwk(ED, str(index)) for index in range(101)]),
        key_set(public_jwk(RSA, "rsa") | {"d": "AQAB"}),
    ],
    ids=range(16),
)
def test_a_set_that_is_none_or_holds_a_secret_is_refused_without_repeating_it(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"key set|Key Set") as caught:
        jwk_set.parse(document)
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None


MEMBER = st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(st.binary() | MEMBER.map(lambda member: json.dumps({"keys": [member]}).encode()))
def test_no_document_makes_the_parser_fail_in_another_way(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"key set|Key Set"):
        jwk_set.parse(document)


ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=4), max_size=2)


@given(
    st.sampled_from([public_jwk(RSA, "rsa"), public_jwk(EC, "ec"), public_jwk(ED, "ed")]),
    st.sampled_from(["kty", "crv", "kid", "alg", "use", "key_ops", "n", "e", "x", "y"]),
    ANYTHING,
)
def test_one_damaged_member_never_costs_the_others(member: dict[str, Any], name: str, value: Any) -> None:
    keys = jwk_set.parse(key_set(member | {name: value}, public_jwk(RSA_OTHER, "good")))
    assert keys[-1].kid == "good"
