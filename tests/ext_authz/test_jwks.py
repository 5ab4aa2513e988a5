import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ext_authz import jwks
from ext_authz.authenticators.jwt import JwtAuthenticator
from ext_authz.denylists import NothingRevoked
from ext_authz.identity import Identity, Refusal
from ext_authz.jwks import FileSource, UrlSource
from ext_authz.policy import Jwks, Policy
from tests.ext_authz.conftest import KeyServer
from tests.ext_authz.worlds import (
    EC,
    ED,
    KEY_SET,
    NOW,
    POLICY,
    RSA,
    RSA_OTHER,
    PinnedSources,
    bearer,
    claims,
    eventually,
    key_set,
    outcome,
    public_jwk,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


def changed(source: FileSource, seen: object) -> bool:
    return source._file._seen != seen


def kids(source: Any) -> set[str | None] | None:
    return None if source.keys is None else {key.kid for key in source.keys}


async def test_a_file_is_read_again_when_it_changes_and_the_last_good_set_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FILE_SECONDS", 0.01)
    path, fresh = tmp_path / "keys.json", tmp_path / "fresh"
    source = FileSource(path)
    assert source.keys is None
    following = asyncio.create_task(source.follow())

    path.write_bytes(key_set(public_jwk(RSA, "one")))
    await eventually(lambda: kids(source) == {"one"})
    fresh.write_bytes(key_set(public_jwk(EC, "two")))
    fresh.replace(path)
    await eventually(lambda: kids(source) == {"two"})

    for content in (b"broken", b"broken again"):
        seen = source._file._seen
        path.write_bytes(content)
        await eventually(partial(changed, source, seen))
        assert kids(source) == {"two"}
    path.unlink()
    await eventually(lambda: source._file._seen == ())
    assert kids(source) == {"two"}

    path.write_bytes(key_set(public_jwk(ED, "three")))
    await eventually(lambda: kids(source) == {"three"})
    following.cancel()


async def test_a_token_of_a_key_just_added_to_the_file_works_at_once(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(public_jwk(EC, "ec"), public_jwk(ED, "ed")))
    sources: Any = PinnedSources(FileSource(path))
    tokens = JwtAuthenticator(sources, NothingRevoked())
    path.write_bytes(KEY_SET)
    assert isinstance(await outcome(tokens, POLICY, bearer(kid="rsa")), Identity)


async def test_a_file_that_cannot_be_read_keeps_the_last_good_set(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(KEY_SET)
    source = FileSource(path)
    path.unlink()
    path.mkdir()
    await source.renew()
    assert kids(source) == {"rsa", "ec", "ed"}


async def test_a_url_is_asked_in_the_background_and_again_after_a_while(
    server: KeyServer, client: httpx.AsyncClient
) -> None:
    source = UrlSource(server.url, client)
    source.refresh_seconds = 0.05
    following = asyncio.create_task(source.follow())
    await eventually(lambda: kids(source) == {"rsa", "ec", "ed"})
    server.body = key_set(public_jwk(RSA_OTHER, "new"))
    await eventually(lambda: kids(source) == {"new"})
    following.cancel()


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, KEY_SET, {}),
        (404, KEY_SET, {}),
        (204, b"", {}),
        (302, KEY_SET, {"location": "/keys"}),
        (200, b"<html>", {}),
        (200, b" " * (2**20 + 1), {}),
        (200, key_set({"kty": "oct", "k": "AAAA"}), {}),
    ],
    ids=["500", "404", "204", "redirect", "html", "too large", "secret"],
)
async def test_a_bad_answer_keeps_the_last_good_set(
    server: KeyServer,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: bytes,
    headers: dict[str, str],
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0)
    monkeypatch.setattr(jwks, "WAIT_SECONDS", 5)
    source = UrlSource(server.url, client)
    await source.renew()
    good = source.keys
    assert good
    server.status, server.body, server.headers = status, body, headers
    await source.renew()
    assert server.asked == 2
    assert source.keys is good


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/keys",
        "http://127.0.0.1.example.com/keys",
        "http://localhost.example.com/keys",
        "http://10.0.0.1/keys",
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
        "//127.0.0.1/keys",
        "not a url",
        "http://[::1",
        "",
    ],
)
async def test_only_https_or_the_loopback_address_is_ever_asked(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises((ValueError, httpx.InvalidURL)):
        await jwks.fetch(client, url)


async def test_a_body_that_does_not_end_is_not_read_to_its_end(server: KeyServer, client: httpx.AsyncClient) -> None:
    server.body = b" " * (2**20 + 1)
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        await jwks.fetch(client, server.url)


async def test_a_slow_url_is_given_up_and_no_request_waits_long_for_it(
    server: KeyServer, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.1)
    monkeypatch.setattr(jwks, "WAIT_SECONDS", 0.02)
    server.hold.clear()
    source = UrlSource(server.url, client)
    async with asyncio.timeout(1):
        await source.renew()
        assert source._flight is not None
        await asyncio.wait({source._flight})
    assert source.keys is None


async def test_an_unknown_kid_has_the_set_read_anew_and_a_flood_of_them_only_once(
    server: KeyServer, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "WAIT_SECONDS", 5)
    server.body = key_set(public_jwk(EC, "ec"), public_jwk(ED, "ed"))
    source = UrlSource(server.url, client)
    await source.renew()
    sources: Any = PinnedSources(source)
    tokens = JwtAuthenticator(sources, NothingRevoked())
    server.body = KEY_SET

    judged = await outcome(tokens, POLICY, bearer(kid="rsa"))
    assert isinstance(judged, Refusal)  # asked a moment ago: still cooling down
    assert (judged.reason.code, server.asked) == ("token-key-unknown", 1)

    source._asked_at -= jwks.COOLDOWN_SECONDS
    assert isinstance(await outcome(tokens, POLICY, bearer(kid="rsa")), Identity)
    flood = await asyncio.gather(*(outcome(tokens, POLICY, bearer(kid=f"k{index}")) for index in range(50)))
    assert {judged.reason.code for judged in flood if isinstance(judged, Refusal)} == {"token-key-unknown"}
    assert (len(flood), server.asked) == (50, 2)


async def test_a_key_that_the_issuer_does_not_know_is_not_asked_for_again_for_a_while(
    server: KeyServer, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "WAIT_SECONDS", 5)
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0)
    source = UrlSource(server.url, client)
    await source.renew()
    sources: Any = PinnedSources(source)
    tokens = JwtAuthenticator(sources, NothingRevoked())
    asked = []
    for now in (NOW, NOW + 1, NOW + 29, NOW + 31):
        judged = await outcome(tokens, POLICY, bearer(claims(exp=NOW + 600), kid="nobody"), now)
        assert isinstance(judged, Refusal)
        asked.append(server.asked)
    assert asked == [2, 2, 2, 3]
    server.body = key_set(public_jwk(RSA, "nobody"))
    await source.renew()
    assert isinstance(await outcome(tokens, POLICY, bearer(kid="nobody")), Identity)


async def test_a_source_that_several_policies_name_is_asked_as_often_as_the_most_eager_wants(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    sources = jwks.JwksSources(tmp_path, client)

    def naming(refresh: int) -> Policy:
        named = Jwks(url="http://127.0.0.1:1/keys", refresh_seconds=refresh)
        return POLICY.model_copy(update={"issuers": (POLICY.issuers[0].model_copy(update={"jwks": named}),)})

    try:
        sources.follow([naming(600)])
        first = sources.source(naming(600).issuers[0].jwks)
        sources.follow([naming(600), naming(60)])
        assert isinstance(first, UrlSource)
        assert (sources.source(naming(60).issuers[0].jwks), first.refresh_seconds) == (first, 60)
        sources.follow([naming(600)])
        assert first.refresh_seconds == 600
    finally:
        await sources.close()


def test_the_password_in_a_url_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await UrlSource("http://user:hunter2@127.0.0.1:1/keys?token=hunter3", client).renew()

    asyncio.run(ask())
    assert "issuer keys not loaded" in caplog.text
    assert "hunter" not in str([vars(record) for record in caplog.records])
