import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from ext_authz.denylists import Denylists
from ext_authz.keyset import connect
from ext_authz.policy import Issuer, Jwks, Policy
from ext_authz.revocation import Revocation, redis_key, version_key
from gatectl.compiler import compile_spec
from gatectl.diagnostics import GatectlError
from gatectl.runtime import revocations
from tests.runtime.test_issuers import spec_of


def issuer(name: str, lifetime: int = 3600, leeway: int = 30) -> Issuer:
    return Issuer(
        name=name,
        issuer=f"https://{name}.example",
        audiences=("api",),
        algorithms=("ES256",),
        jwks=Jwks(file="f"),
        max_lifetime_seconds=lifetime,
        leeway_seconds=leeway,
    )


KNOWN = (issuer("staff"), issuer("partner", 7200, 60))
NOTHING: dict[str, Any] = dict.fromkeys(("jti", "user", "issued_before", "issuer", "reason"))


def wanted(**asked: Any) -> Revocation:
    return revocations.revocation(KNOWN, **(NOTHING | asked))


def ago(**span: int) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"jti": "a"}, 7320),
        ({"jti": "a", "issuer": "staff"}, 3660),
        ({"user": "alice"}, 7320),
        ({"user": "alice", "issuer": "partner"}, 7320),
        ({"issued_before": ago(minutes=10), "issuer": "staff"}, 3060),
        ({"issued_before": ago(minutes=10), "user": "alice"}, 6720),
    ],
)
def test_a_revocation_is_kept_until_the_last_token_that_it_hits_has_expired(asked: dict[str, Any], kept: int) -> None:
    made = wanted(**asked)
    assert (made.expires_at - datetime.now(UTC)).total_seconds() == pytest.approx(kept, abs=5)
    assert made.issuer == (f"https://{asked['issuer']}.example" if "issuer" in asked else None)
    assert made.issued_before == (None if "jti" in asked else asked.get("issued_before", made.revoked_at))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "say which tokens"),
        ({"issuer": "staff"}, "say which tokens"),
        ({"jti": "a", "user": "alice"}, "say which tokens"),
        ({"jti": "a", "issued_before": ago(seconds=1)}, "say which tokens"),
        ({"jti": "a", "issuer": "nobody"}, "known: staff, partner"),
        ({"user": "alice", "issued_before": ago(hours=-1)}, "lies in the future"),
        ({"issued_before": ago(days=2)}, "has expired already"),
        ({"jti": "a", "reason": "x" * 257}, "up to 256"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(GatectlError, match=message) as caught:
        wanted(**asked)
    assert caught.value.exit_code == 64


def test_the_issuers_are_those_of_the_spec_or_of_the_policy_in_force(tmp_path: Path) -> None:
    with pytest.raises(GatectlError, match="name the spec"):
        revocations.issuers(tmp_path, [])
    policy = compile_spec(spec_of(max_lifetime="2h")).authz
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "authz.json").write_text(policy.model_dump_json())
    assert revocations.issuers(tmp_path, []) == policy.issuers
    spec = tmp_path / "gateway.yaml"
    spec.write_text(json.dumps(spec_of().model_dump(mode="json", exclude_none=True)))
    assert [one.max_lifetime_seconds for one in revocations.issuers(tmp_path, [str(spec)])] == [86_400]
    nobody = policy.model_copy(update={"issuers": ()})
    (tmp_path / "current" / "authz.json").write_text(nobody.model_dump_json())
    with pytest.raises(GatectlError, match="takes no tokens"):
        revocations.issuers(tmp_path, [])


def test_the_newest_stands_first_and_the_same_again_is_the_same(url: str) -> None:
    first, second = wanted(jti="a", reason="why"), wanted(user="alice")
    for one in (first, second, wanted(jti="a", reason="another reason")):
        revocations.revoke(url, "list", one)
    found = revocations.list_revocations(url, "list")
    assert [one.id for one in found] == [first.id, second.id]
    assert found[0].reason == "another reason"
    revocations.reinstate(url, "list", first.id)
    assert [one.id for one in revocations.list_revocations(url, "list")] == [second.id]
    with pytest.raises(GatectlError, match="has no revocation"):
        revocations.reinstate(url, "list", first.id)
    assert revocations.list_revocations(url, "another") == []


def test_what_hits_nothing_any_more_is_not_listed_and_goes_with_the_next_revocation(url: str) -> None:
    over = wanted(jti="over").model_copy(update={"expires_at": ago(seconds=1)})
    revocations.revoke(url, "over", over)
    assert revocations.list_revocations(url, "over") == []
    with redis.Redis.from_url(url) as client:
        assert client.hlen(redis_key("over")) == 1
        revocations.revoke(url, "over", wanted(jti="new"))
        assert client.hkeys(redis_key("over")) == [wanted(jti="new").id.encode()]


def test_every_change_has_a_version_of_its_own(url: str) -> None:
    versions = set()
    with redis.Redis.from_url(url) as client:
        for change in range(4):
            if change == 3:
                revocations.reinstate(url, "version", wanted(jti="0").id)
            else:
                revocations.revoke(url, "version", wanted(jti=str(change)))
            versions.add(client.get(version_key("version")))
    assert len(versions) == 4


def test_a_full_list_takes_no_more_but_what_is_on_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "MAX_ENTRIES", 2)
    for jti in ("a", "b", "a"):
        revocations.revoke(url, "full", wanted(jti=jti))
    with pytest.raises(GatectlError, match="--issued-before instead"):
        revocations.revoke(url, "full", wanted(jti="c"))


async def test_the_service_reads_what_was_written_here(url: str) -> None:
    client = connect(url)
    lists = Denylists(client)
    lists.follow([Policy(revision="r", gateway="both", issuers=KNOWN, routes={})])
    revocations.revoke(url, "both", wanted(user="alice", issuer="staff", reason="lost her laptop"))
    await lists.look()
    known = lists.known("both", 60)
    assert known is not None
    assert known.refuses("https://staff.example", None, "alice", 0)
    assert not known.refuses("https://partner.example", None, "alice", 0)
    await client.aclose(close_connection_pool=True)
