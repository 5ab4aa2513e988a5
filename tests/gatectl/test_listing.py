"""`gatectl get`: the objects of a spec with their places and with what applies to them."""

from pathlib import Path
from typing import Any

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.spec.listing import PATHS, listing
from gatectl.views.human import HumanView
from tests.gatectl.specs import route, text

ROOT = Path(__file__).parents[2]
EVERYTHING = str(ROOT / "tests" / "golden" / "everything" / "spec.yaml")


def names(kind: str) -> list[str]:
    return [entry["name"] for entry in listing([EVERYTHING], kind)]


def test_every_object_of_a_kind_is_listed_in_the_order_of_the_spec() -> None:
    assert names("routes") == ["exact", "wildcard-host", "template", "rewritten"]
    assert names("upstreams") == ["plain", "dns", "hashed", "least", "tls", "pinned", "trusting"]
    assert names("limits")[:5] == ["many", "fixed", "breathing", "when", "several"]
    assert names("issuers") == ["staff", "dev", "file"]


@pytest.mark.parametrize("kind", PATHS)
def test_the_place_of_an_object_is_where_it_begins(kind: str) -> None:
    lines = Path(EVERYTHING).read_text().splitlines()
    for entry in listing([EVERYTHING], kind):
        file, line, column = entry["place"].rsplit(":", 2)
        assert file == EVERYTHING
        assert entry["name"] in lines[int(line) - 1][int(column) - 1 :]


def test_a_route_shows_what_applies_to_it() -> None:
    (found,) = listing([EVERYTHING], "routes", "template")
    everywhere = ["shadow", "at-once", "quota", "charged"]
    assert found["limits"] == ["fixed", "breathing", "when", "several", *everywhere]  # "several" instead of "many"
    assert (found["upstream"], found["timeout"]) == ("dns", "100ms")
    assert listing([EVERYTHING], "routes", "exact")[0]["limits"] == ["many", "when", *everywhere]
    assert listing([EVERYTHING], "routes", "exact")[0]["timeout"] == "of plain"


def test_an_upstream_shows_its_routes_and_its_defaults() -> None:
    (found,) = listing([EVERYTHING], "upstreams", "plain")
    assert (found["routes"], found["timeout"], found["load_balancing"]) == (["exact"], "30s", "round_robin")


def test_an_upstream_shows_whether_its_requests_leave_by_tls_and_whom_it_believes() -> None:
    shown = {one["name"]: one["tls"] for one in listing([EVERYTHING], "upstreams")}
    assert shown | dict.fromkeys(("dns", "hashed", "least"), "plain") == shown
    assert (shown["plain"], shown["tls"], shown["pinned"]) == ("plain", "verified", "verified")
    assert shown["trusting"] == "unverified"


@pytest.mark.parametrize("kind", PATHS)
def test_an_unknown_name_is_told_with_the_nearest(kind: str) -> None:
    known = names(kind)[0]
    with pytest.raises(GatectlError, match=f'did you mean "{known}"'):
        listing([EVERYTHING], kind, known + "x")


def test_nothing_from_the_environment_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAME", "ROLE", "UP", "HOST", "LIMIT", "PER"):
        monkeypatch.setenv(name, f"hunter2-{name}".lower())
    monkeypatch.setenv("TIME", "77s")
    monkeypatch.setenv("HOST", "hunter2:80")
    monkeypatch.setenv("LIMIT", "4242/minute")
    monkeypatch.setenv("PER", "client_address")
    limits: list[Any] = [{"name": "${NAME}", "per": ["${PER}"], "limit": "${LIMIT}", "routes": ["${NAME}"]}]
    routes = [route("${NAME}", upstream="u", access={"roles": ["${ROLE}"]}, timeout="${TIME}")]
    file = tmp_path / "s.yaml"
    file.write_text(
        text(routes=routes, rate_limits=limits, upstreams={"u": {"endpoints": ["${HOST}"], "timeout": "${TIME}"}})
    )
    for kind in PATHS:
        shown = str(listing([str(file)], kind))
        assert [word for word in ("hunter2", "77s", "4242", "client_address") if word in shown] == []


def test_a_limit_that_adapts_says_how_far_down_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        """\
version: 1
name: g
upstreams: {u: {endpoints: ["127.0.0.1:1"]}}
routes: [{name: r, match: {path: /}, upstream: u, access: public}]
rate_limits:
  - {name: usual, per: [user], limit: 20/second, adaptive: {target_latency: 1s}}
  - {name: own, per: [user], limit: 20/second, adaptive: {target_latency: 1s, min_percent: 25}}
  - {name: fixed, per: [user], limit: 20/second}
  - {name: planned, per: [user], limit: 9/hour, plans: {pro: [20/second, 99/day], all: unlimited}}
"""
    )
    found = listing([str(path)], "limits")
    assert [one["adaptive"] and one["adaptive"]["min_percent"] for one in found] == [10, 25, None, None]
    HumanView().result("limits", found)
    shown = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("user")[0].strip().split("  ")[-1] for line in shown] == [
        "20/second, down to 10%",
        "20/second, down to 25%",
        "20/second",
        "9/hour; pro: 20/second and 99/day; all: unlimited",
    ]
