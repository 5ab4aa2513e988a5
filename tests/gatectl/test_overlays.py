"""Several files are one spec: what is wrong is told where it stands, in the file where it stands."""

from pathlib import Path

import pytest

from gatectl.diagnostics import SpecError
from gatectl.spec.load import load

BASE = """\
version: 1
name: small
authentication:
  api_keys: {header: X-API-Key}
upstreams:
  u: {endpoints: [127.0.0.1:1], timeout: 5s}
routes:
  - {name: r, match: {path: /r}, upstream: u, access: public}
  - {name: s, match: {path_prefix: /s}, upstream: u, access: public}
rate_limits:
  - {name: l, per: [user], limit: 1/second, routes: [r]}
"""
MISTAKES = {
    "a wrong type": ("listener: {port: many}", "prod.yaml:1:18: error[GC0102]"),
    "a duration": ("upstreams:\n  u: {timeout: soon}", "prod.yaml:2:16: error[GC0105]"),
    "an unknown field": ("listener: {prot: 1}", 'prod.yaml:1:12: error[GC0100] unknown field "prot"'),
    "an unknown field in a named object": ("routes:\n  - {name: r, acess: public}", "prod.yaml:2:15: error[GC0100]"),
    "a missing field": ("routes: [{name: t}]", 'prod.yaml:1:10: error[GC0101] "match" is missing'),
    "a reference to nothing": ("routes:\n  - {name: r, upstream: v}", "prod.yaml:2:25: error[GC0103]"),
    "a limit of no route": ("rate_limits: [{name: l, routes: [x]}]", "prod.yaml:1:34: error[GC0103]"),
    "the environment": ('listener: {address: "${NOBODY}"}', "prod.yaml:1:21: error[GC0004]"),
    "no YAML": ("listener: {port: 1", "prod.yaml:2:1: error[GC0002]"),
    "a key that stands twice": ("listener: {port: 1}\nlistener: {port: 2}", "prod.yaml:2:1: error[GC0003]"),
    "an issuer that is there twice": (
        """
authentication:
  jwt:
    - {name: a, issuer: i, audiences: [x], jwks: {local: true}}
    - {name: b, issuer: i, audiences: [x], jwks: {local: true}}
""",
        'prod.yaml:5:25: error[GC0104] jwt: the issuer "i" is already taken (first at DIR/prod.yaml:4)',
    ),
    "a contradiction with the base": (
        "upstreams: {u: {hash_by: user}}",
        'base.yaml:6:6: error[GC0108] upstream "u": load_balancing ring_hash and hash_by belong together',
    ),
    "a rewrite without a prefix": ("routes:\n  - {name: r, rewrite_prefix: /x}", "prod.yaml:2:31: error[GC0108]"),
    "two paths at once": ("routes:\n  - {name: r, match: {path_prefix: /x}}", "base.yaml:8:15: error[GC0108]"),
    "a route that another takes": (
        "routes: [{name: t, match: {path: /s/x}, upstream: u, access: public}]",
        'prod.yaml:1:20: error[GC0107] route "t" can never match: "s" takes all its requests',
    ),
    "a route of the base that the overlay hides": (
        "routes: [{name: r, match: {path: /s/x}}, {name: s, match: {path_prefix: /}}, {name: t, match: {path: /t}, upstream: u, access: public}]",  # noqa: E501 - on one line on purpose: columns are counted
        "prod.yaml:1:88: error[GC0107]",
    ),
    "an empty value": ("authentication: {api_keys: }", 'prod.yaml:1:28: error[GC0106] "api_keys": a value is needed'),
    "an empty file": ("", "prod.yaml:1:1: error[GC0002] the file is empty"),
    "only comments": ("# nothing\n", "prod.yaml:1:1: error[GC0002] the file is empty"),
    "a list": ("- a", "prod.yaml:1:1: error[GC0102] a gateway spec is a mapping of fields"),
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def mistakes(*files: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load([str(file) for file in files], {})
    return [str(one).replace(str(files[0].parent), "DIR").replace("DIR/", "", 1) for one in caught.value.diagnostics]


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_points_into_the_file_and_place_where_it_stands(base: Path, case: str) -> None:
    text, expected = MISTAKES[case]
    overlay = base.with_name("prod.yaml")
    overlay.write_text(text)
    found = mistakes(base, overlay)
    assert [one for one in found if one.startswith(expected)], found


def test_mistakes_of_all_files_are_told_at_once(base: Path) -> None:
    overlay, third = base.with_name("prod.yaml"), base.with_name("third.yaml")
    overlay.write_text("listener: {prot: 1}")
    third.write_text("routes: [{name: r, upstream: v}]")
    found = mistakes(base, overlay, third, base.with_name("missing.yaml"))
    assert [one.partition(":")[0] for one in found if "missing" not in one] == ["prod.yaml", "third.yaml"]
    assert [one for one in found if "missing.yaml cannot be read: No such file or directory" in one]


def test_a_directory_stands_for_its_yaml_files_in_the_order_of_their_names(base: Path) -> None:
    folder = base.with_name("conf.d")
    folder.mkdir()
    (folder / "20-prod.yaml").write_text("listener: {port: 20}\nname: last\n")
    (folder / "10-base.yaml").write_text(BASE + "listener: {port: 10, max_connections: 7}\n")
    (folder / "notes.txt").write_text("not: [yaml")
    (folder / "sub.yaml").mkdir()
    for number in (15, 13, 19, 11, 17):
        (folder / f"{number}.yaml").write_text(f"listener: {{idle_timeout: {number}s}}\n")
    spec, tree = load([str(folder)], {})
    assert (spec.name, spec.listener.port, spec.listener.max_connections) == ("last", 20, 7)
    assert spec.listener.idle_timeout == 19_000
    assert tree.find(("listener", "port")).at.file == str(folder / "20-prod.yaml")
    assert load([str(folder), str(base)], {})[0].name == "small"


def test_a_mistake_in_a_directory_names_the_file(base: Path) -> None:
    folder = base.with_name("conf.d")
    folder.mkdir()
    (folder / "a.yaml").write_text(BASE)
    (folder / "b.yml").write_text("nmae: x")
    assert mistakes(folder) == ['conf.d/b.yml:1:1: error[GC0100] unknown field "nmae" (did you mean "name"?)']


def test_a_value_of_an_overlay_wins_and_a_field_that_it_leaves_out_stays(base: Path) -> None:
    overlay = base.with_name("prod.yaml")
    overlay.write_text("upstreams:\n  u: {timeout: 9s}\nroutes:\n  - {name: s, access: authenticated}\n")
    spec, _ = load([str(base), str(overlay)], {})
    assert (spec.upstreams["u"].timeout, spec.upstreams["u"].endpoints) == (9000, ("127.0.0.1:1",))
    assert [(route.name, route.access) for route in spec.routes] == [("r", "public"), ("s", "authenticated")]
