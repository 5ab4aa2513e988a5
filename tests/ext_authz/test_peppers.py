"""How keys are hashed: formats, peppers, and what the hash itself is worth."""

import hashlib
import hmac
import logging
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext_authz import api_key
from ext_authz.api_key import KeyHash, Peppers, PepperUnknownError, parse
from ext_authz.settings import pepper_file
from tests.ext_authz.conftest import Keys

OLD, NEW = "o" * 32, "n" * 40


@pytest.mark.parametrize("prefix", ["gk", "a", "acme2026prodkeys"])
def test_a_key_names_its_prefix_and_its_id_and_a_typing_mistake_is_seen(prefix: str) -> None:
    key, minted = api_key.mint(prefix)
    assert key.startswith(f"{prefix}_{minted.id}_")
    assert parse(key) == minted
    for index, character in enumerate(key):
        for other in {"x", "_", "1"} - {character}:
            assert parse(key[:index] + other + key[index + 1 :]) is None


@pytest.mark.parametrize("prefix", ["", "G", "1a", "a_b", "a" * 17])
def test_what_is_no_prefix_makes_no_key(prefix: str) -> None:
    assert parse(api_key.mint(prefix)[0]) is None


def test_a_hash_is_sha256_or_hmac_with_the_newest_pepper() -> None:
    key, minted = api_key.mint()
    assert Peppers().seal(key) == KeyHash(scheme="sha256", digest=minted.sha256)
    sealed = Peppers([NEW, OLD]).seal(key)
    assert sealed.digest == hmac.new(NEW.encode(), key.encode(), hashlib.sha256).hexdigest()
    assert sealed.scheme == "hmac-sha256"
    assert sealed.pepper != Peppers([OLD]).seal(key).pepper


@pytest.mark.parametrize("made", [Peppers(), Peppers([OLD]), Peppers([NEW])])
def test_every_hash_of_a_pepper_that_is_here_proves_its_key_and_no_other(made: Peppers) -> None:
    key, minted = api_key.mint()
    other, minted_other = api_key.mint()
    here = Peppers([NEW, OLD])
    assert here.proves(key, minted.sha256, made.seal(key))
    assert not here.proves(other, minted_other.sha256, made.seal(key))
    assert not here.proves(key, minted.sha256, None)
    assert (Peppers([NEW]) + Peppers([OLD])).proves(key, minted.sha256, made.seal(key))


def test_a_hash_of_another_pepper_proves_nothing() -> None:
    key, minted = api_key.mint()
    for here in (Peppers(), Peppers([NEW])):
        with pytest.raises(PepperUnknownError):
            here.proves(key, minted.sha256, Peppers([OLD]).seal(key))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("short", "one pepper a line"),
        (f"{OLD}\nshort", "one pepper a line"),
        (f"{OLD} {OLD}", "one pepper a line"),
        ("ü" * 40, "one pepper a line"),
        ("\n".join(f"{n:032d}" for n in range(17)), "16 peppers at most"),
    ],
)
def test_what_is_no_pepper_is_told_without_quoting_it(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        Peppers.read(text)
    assert "short" not in str(caught.value)


@given(st.lists(st.text("abc!~", min_size=32, max_size=40), max_size=16, unique=True), st.sampled_from("\n \t\r"))
def test_peppers_are_the_lines_that_are_not_blank(peppers: list[str], blank: str) -> None:
    key, minted = api_key.mint()
    read = Peppers.read(f"{blank}\n".join(["", *peppers, ""]))
    assert bool(read) == bool(peppers)
    assert all(read.proves(key, minted.sha256, Peppers([one]).seal(key)) for one in peppers)
    assert read.seal(key) == Peppers(peppers).seal(key)
    assert not any(pepper in repr(read) for pepper in peppers)


def test_a_pepper_file_is_read_or_told_about(tmp_path: Path) -> None:
    file = tmp_path / "peppers"
    file.write_text(f"{NEW}\n{OLD}\n")
    assert pepper_file(str(file)) == (NEW, OLD)
    assert not pepper_file("")
    for content in (b"", b"\xff" * 40, b"short"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"must hold|must name"):
            pepper_file(str(file))
    for bad in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ValueError, match="can be read"):
            pepper_file(str(bad))


async def peppered(keys: Keys, pepper: str) -> tuple[str, KeyHash]:
    key, parsed = api_key.mint()
    sealed = Peppers([pepper]).seal(key)
    await keys.store(parsed, hash=sealed.model_dump())
    return key, sealed


async def test_a_pepper_is_rotated_without_a_key_that_stops_working(keys: Keys) -> None:
    (old, _), (new, _), plain = await peppered(keys, OLD), await peppered(keys, NEW), await keys.create()
    keys.obey([NEW, OLD])
    assert [await keys.reason(key) for key in (old, new, plain)] == ["accepted"] * 3


async def test_a_key_whose_pepper_is_not_here_cannot_be_decided_and_that_is_logged_once(
    keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    key, sealed = await peppered(keys, OLD)
    keys.obey([NEW])
    assert [await keys.reason(key) for _ in range(3)] == ["key-store-unavailable"] * 3
    told = [record for record in caplog.records if "pepper" in record.message]
    assert [(record.levelno, record.__dict__["pepper"]) for record in told] == [(logging.ERROR, sealed.pepper)]


async def test_a_stolen_hash_is_no_key(keys: Keys) -> None:
    keys.obey([OLD])
    key, sealed = await peppered(keys, OLD)
    parsed = api_key.parse(await keys.create())
    assert parsed
    head = key.rsplit("_", 2)[0]
    for digest in (sealed.digest, parsed.sha256):
        for presented in (digest, f"{head}_{digest[:50]}_{digest[:8]}", f"sha256:{digest}", digest.upper()):
            assert await keys.reason(presented) == "key-invalid"


async def test_an_unknown_id_and_a_malformed_key_are_hashed_like_a_wrong_secret(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.obey([OLD])
    right, _ = await peppered(keys, OLD)
    found = api_key.parse(right)
    assert found
    plain = await keys.create()
    body = f"gk_{found.id}_{'a' * 50}"
    wrong = f"{body}_{zlib.crc32(body.encode()):08x}"
    work: list[str] = []
    plain_digest, plain_hmac = api_key.digest, api_key._hmac
    monkeypatch.setattr(api_key, "digest", lambda key: (work.append("sha256"), plain_digest(key))[1])
    monkeypatch.setattr(api_key, "_hmac", lambda pepper, key: (work.append("hmac"), plain_hmac(pepper, key))[1])
    done = []
    for key in (wrong, api_key.mint()[0], "nonsense", plain):
        work.clear()
        await keys.reason(key)
        done.append([*work])
    assert done[0] == done[2] == done[3] == ["sha256", "hmac"]
    assert done[1][-2:] == ["sha256", "hmac"]
