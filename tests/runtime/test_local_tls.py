"""The development certificate of `tls: {local: true}`."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gatectl.compiler import names
from gatectl.runtime import local_tls
from tests.gatectl.specs import spec, text

FILES = (names.LOCAL_CERTIFICATE, names.LOCAL_KEY, names.LOCAL_CA)


def made(directory: Path, **listener: Any) -> dict[str, bytes]:
    local_tls.ensure_local_certificate(spec(directory, text(listener={"tls": {"local": True}, **listener})), directory)
    return {name: (directory / name).read_bytes() for name in FILES}


def test_it_is_for_this_machine_and_its_authority_may_sign_for_nobody_else(tmp_path: Path) -> None:
    files = made(tmp_path, address="10.1.2.3")
    certificate, authority = (x509.load_pem_x509_certificate(files[name]) for name in (FILES[0], FILES[2]))
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in named] == ["localhost", "10.1.2.3", "127.0.0.1", "::1"]
    only = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert [str(one.value) for one in only or ()] == ["localhost", "10.1.2.3/32", "127.0.0.1/32", "::1/128"]


def test_the_key_of_the_authority_is_kept_nowhere_and_its_own_is_for_the_owner_only(tmp_path: Path) -> None:
    made(tmp_path)
    directory = (tmp_path / names.LOCAL_KEY).parent
    assert {path.name for path in directory.iterdir()} == {Path(name).name for name in FILES}
    assert stat.S_IMODE((tmp_path / names.LOCAL_KEY).stat().st_mode) == 0o600


def test_what_is_good_stays(tmp_path: Path) -> None:
    assert made(tmp_path) == made(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_what_is_broken_is_made_anew(tmp_path: Path, name: str) -> None:
    first = made(tmp_path)
    (tmp_path / name).write_bytes(b"broken")
    assert set(made(tmp_path).items()).isdisjoint(first.items())


def test_it_is_made_anew_for_another_address_and_before_it_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(tmp_path), made(tmp_path, address="10.1.2.3")
    assert first != second
    later = datetime.now(UTC) + timedelta(days=61)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "datetime":  # type: ignore[override]
            return later

    monkeypatch.setattr(local_tls, "datetime", Later)
    assert made(tmp_path, address="10.1.2.3") != second


def test_without_it_nothing_is_made(tmp_path: Path) -> None:
    local_tls.ensure_local_certificate(spec(tmp_path, text()), tmp_path)
    assert not (tmp_path / names.LOCAL_CERTIFICATE).parent.exists()
