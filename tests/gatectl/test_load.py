"""From files to a spec: several files, standard input, positions."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import SpecError
from gatectl.spec.load import load
from gatectl.spec.scaffold import scaffold
from tests.gatectl.specs import mistakes, route, spec, text


def errors(*files: Path | str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load([str(file) for file in files], {})
    return [str(one) for one in caught.value.diagnostics]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A base and an empty overlay."""
    base, over = tmp_path / "base.yaml", tmp_path / "over.yaml"
    fields: dict[str, Any] = {
        "upstreams": {"u": {"endpoints": ["10.0.0.1:80", "10.0.0.2:80"], "timeout": "30s"}},
        "routes": [route("one", {"path": "/one"}), route("two", {"path": "/two"})],
    }
    base.write_text(text(**fields))
    return base, over


def test_a_later_file_is_laid_over_the_ones_before(two: tuple[Path, Path]) -> None:
    base, over = two
    over.write_text(
        """
upstreams: {u: {endpoints: ["127.0.0.1:1"]}, v: {endpoints: ["127.0.0.1:2"]}}
routes:
- {name: two, upstream: v, match: {methods: [GET]}}
- {name: three, match: {path: /three}, upstream: v, access: public}
"""
    )
    read, _ = load([str(base), str(over)], {})
    assert read.upstreams["u"].endpoints == ("127.0.0.1:1",), "a list of plain values is replaced"
    assert read.upstreams["u"].timeout == 30_000, "a mapping is merged field by field"
    assert [one.name for one in read.routes] == ["one", "two", "three"], "named things are merged by name, in order"
    assert (read.routes[1].match.path, read.routes[1].match.methods) == ("/two", ("GET",))
    assert [one.upstream for one in read.routes] == ["u", "v", "v"]


def test_an_empty_list_empties_a_list(two: tuple[Path, Path]) -> None:
    base, over = two
    over.write_text("routes: []")
    assert errors(base, over) == [f'{over}:1:9: error[GC0106] "routes" needs at least 1 entry, not a list']


def test_a_mistake_is_told_where_its_own_file_has_it(two: tuple[Path, Path]) -> None:
    base, over = two
    base.write_text(base.read_text() + "cors: {allow_origin: [a]}\n")
    over.write_text("# prod\nroutes:\n- name: two\n  upstream: nobody\n  timeout: soon\n")
    found = errors(base, over)
    assert [one.partition(" ")[0].rpartition("/")[2] for one in found] == [
        "base.yaml:24:1:",
        "base.yaml:24:8:",
        "over.yaml:4:13:",
        "over.yaml:5:12:",
    ]


def test_a_later_file_that_cannot_be_read_hides_no_mistake_of_another(two: tuple[Path, Path]) -> None:
    base, over = two
    base.write_text(base.read_text() + "nme: x\n")
    over.write_text("a: [")
    missing = over.with_name("missing.yaml")
    found = errors(base, over, missing)
    assert [one.split("error[")[1][:6] for one in found] == ["GC0001", "GC0100", "GC0002"]
    assert str(missing) in found[0]


@pytest.mark.parametrize("content", [b"a: \xff\n", b"\xff\xfea\x00:\x00", b"\xfe\xff\x00a", "a: é".encode("latin-1")])
def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path, content: bytes) -> None:
    found = mistakes(tmp_path, content)
    assert len(found) == 1
    assert "error[GC0001]" in found[0]
    assert "gateway.yaml is not UTF-8 text (byte " in found[0]


def test_an_empty_directory_and_a_missing_file_are_told(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    hint = "a directory stands for the .yaml files in it, in the order of their names"
    assert errors(tmp_path) == [f"error[GC0001] {tmp_path} is a directory without a .yaml file ({hint})"]
    assert errors(missing) == [
        f"error[GC0001] {missing} cannot be read: No such file or directory (`gatectl init` writes a start)"
    ]


class Pipe:
    """Standard input as it really is: bytes below a text layer with the locale's encoding."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)

    def read(self) -> str:
        return self.buffer.read().decode("ascii", errors="surrogateescape")


def test_standard_input_is_read_as_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    title = {"requests": [{"title": "café", "path": "/", "expect": 200}]}
    content = text(development=title).encode().replace(rb"caf\xE9", "café".encode()).replace(b'"', b"")
    monkeypatch.setattr(sys, "stdin", Pipe(content))
    read, tree = load(["-"], {})
    assert read.development.requests[0].title == "café"
    assert tree.find(("name",)).at.file == "<stdin>"


def test_standard_input_that_is_not_utf_8_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(b"a: \xff"))
    assert errors("-") == ["error[GC0001] <stdin> is not UTF-8 text (byte 3)"]


def test_a_jwks_file_counts_from_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    issuer = {"name": "a", "issuer": "i", "audiences": ["a"], "jwks": {"file": "keys/a.json"}}
    (tmp_path / "sub").mkdir()
    Path("base.yaml").write_text(text())
    Path("sub/over.yaml").write_text(f"authentication: {{jwt: [{issuer}]}}")
    read, _ = load(["base.yaml", "sub/over.yaml"], {})
    assert read.authentication.jwt[0].jwks.file == str(tmp_path / "sub" / "keys" / "a.json")


@pytest.mark.parametrize("field", ["roles", "methods"])
@pytest.mark.parametrize("empty", ["", "~", "null", "[]", "{}"])
def test_an_access_rule_left_empty_is_refused_not_opened(tmp_path: Path, field: str, empty: str) -> None:
    """``roles:`` with nothing behind it would otherwise let in everybody who has any key at all."""
    other = {"roles": "methods: [GET]", "methods": "roles: [a]"}[field]
    found = mistakes(tmp_path, text().replace("access: public", f"access: [{{{other}, {field}: {empty} }}]"))
    assert len(found) == 1
    assert f'"{field}"' in found[0]


def test_a_message_is_one_printable_line(tmp_path: Path) -> None:
    found = mistakes(tmp_path, text() + '"\\e[2J\\nerror: fine\\u202e": 1\nname: "\\r\\u0007"\n')
    assert len(found) == 2
    assert all(one.isprintable() for one in found), found


def test_the_identity_headers_cannot_be_set_by_a_route(tmp_path: Path) -> None:
    found = mistakes(tmp_path, text(routes=[route(request_headers={"set": {"X-Gate-User": "root"}})]))
    assert len(found) == 1
    assert "error[GC0108]" in found[0]


def test_the_scaffold_is_a_spec(tmp_path: Path) -> None:
    assert spec(tmp_path, scaffold()).name == "my-gateway"


def test_a_route_has_no_more_limits_than_the_limiter_answers_a_call_about(tmp_path: Path) -> None:
    def found(count: int) -> list[str]:
        limits = [{"name": f"l{number}", "per": ["user"], "limit": "5/minute"} for number in range(count)]
        return mistakes(tmp_path, text(rate_limits=limits, routes=[route("a", {"path": "/a"})]))

    assert found(256) == []
    [crowded] = found(257)
    assert 'error[GC0108] route "a" has more than 256 rate limits' in crowded
