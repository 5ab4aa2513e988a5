"""What a plan says about the spec's own objects: changed fields only, moves named minimally, secrets by fingerprint."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gatectl.changes.words import LONGEST
from gatectl.diagnostics import SpecError
from gatectl.spec.record import Record
from tests.gatectl.changing import Edit, of_resources, of_spec, side
from tests.gatectl.specs import MINIMAL
from tests.gatectl.test_mutations import EVERYTHING

BASE: dict[str, Any] = {
    **MINIMAL,
    "upstreams": {"u": {"endpoints": ["127.0.0.1:1"], "timeout": "30s"}, "v": {"endpoints": ["127.0.0.1:2"]}},
    "routes": [
        {"name": name, "match": {"path": f"/{name}"}, "upstream": "u", "access": [{"roles": ["a"]}]} for name in "abcde"
    ],
    "rate_limits": [{"name": "each", "per": ["user"], "limit": "10/minute"}],
}


def edited(*edits: Edit) -> dict[str, Any]:
    spec = copy.deepcopy(BASE)
    for edit in edits:
        edit(spec)
    return spec


def put(*path: Any) -> Edit:
    """Sets the last of ``path`` at the place that the others name."""
    *above, last, value = path

    def edit(spec: dict[str, Any]) -> None:
        place: Any = spec
        for step in above:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        place[last] = value

    return edit


def order(names: str) -> Edit:
    return lambda spec: spec["routes"].sort(key=lambda route: names.index(route["name"]))


RULE = {"methods": ["GET"], "roles": ["a"]}


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (put("upstreams", "u", "timeout", "10s"), ['~ upstream "u".timeout: 30s → 10s']),
        (put("upstreams", "u", "timeout", "30000ms"), []),
        (put("upstreams", "u", "protocol", "http1"), []),
        (lambda spec: spec["upstreams"]["u"].pop("timeout"), []),
        (put("upstreams", "w", {"endpoints": ["h:1"]}), ['+ upstream "w"']),
        (lambda spec: spec["upstreams"].pop("v"), ['- upstream "v"']),
        (lambda spec: spec.pop("rate_limits"), ['- rate limit "each"']),
        (put("rate_limits", 0, "routes", []), ['~ rate limit "each".routes: (none) → []']),
        (put("rate_limits", 0, "limit", "600/hour"), ['~ rate limit "each".limit: 10/minute → 600/hour']),
        (
            put("upstreams", "u", "endpoints", ["127.0.0.1:1", "127.0.0.1:3"]),
            ['~ upstream "u".endpoints: + 127.0.0.1:3'],
        ),
        (put("routes", 0, "access", "public"), ['~ route "a".access: [{roles: [a]}] → public']),
        (put("routes", 0, "access", [{"roles": ["a"]}, RULE]), ['~ route "a".access: + {methods: [GET], roles: [a]}']),
        (
            put("routes", 0, "access", [{"roles": ["b"]}]),
            ['~ route "a".access: {roles: [a]} → {roles: [b]}'],
        ),
        (
            put("routes", 0, "request_headers", {"set": {"x.y": "1"}}),
            ['~ route "a".request_headers.set."x.y": (none) → 1'],
        ),
        (put("listener", "port", 9), ["~ listener.port: 8080 → 9"]),
        (put("authentication", "api_keys", "header", "X-K"), ["~ api keys.header: X-API-Key → X-K"]),
        (put("authentication", "forward_credentials", True), ["~ authentication.forward_credentials: false → true"]),
        (put("cors", {"allow_origins": ["https://a"]}), ["+ cors"]),
        (put("name", "other"), ["~ gateway.name: small → other"]),
        (put("development", {"keys": [{"user": "u"}]}), []),
        (order("bacde"), ['~ route "b".order: 2 of 5 → 1 of 5']),
        (order("eabcd"), ['~ route "e".order: 5 of 5 → 1 of 5']),
        (order("bcdea"), ['~ route "a".order: 1 of 5 → 5 of 5']),
        (put("routes", 1, "name", "z"), ['+ route "z"', '- route "b"']),
        (lambda spec: spec["routes"].pop(1), ['- route "b"']),
        (put("upstreams", "u", "endpoints", ["$${X}:1"]), None),
        (
            put("routes", 0, "request_headers", {"set": {"x": "$${X}"}}),
            ['~ route "a".request_headers.set.x: (none) → $${X}'],
        ),
    ],
)
def test_an_edit_is_told_in_exactly_these_lines(tmp_path: Path, edit: Edit, lines: list[str] | None) -> None:
    spec = edited(edit)
    if lines is None:  # a near-miss that is no spec at all
        with pytest.raises(SpecError):
            side(tmp_path, spec)
        return
    assert of_spec(side(tmp_path, BASE), side(tmp_path, spec)) == lines


def header(value: str) -> dict[str, Any]:
    return edited(put("routes", 0, "request_headers", {"set": {"x": value}}))


@pytest.mark.parametrize(
    ("was", "now", "lines"),
    [
        ("${S}", "${S}", ["${S} (secret {0}) → ${S} (secret {1})"]),
        ("${S}", "literal", ["${S} → literal"]),
        ("literal", "${S}", ["literal → ${S}"]),
        ("$${S}", "${S}", ["$${S} → ${S}"]),
        ("${S:-d}", "${S:-e}", ["${S:-d} → ${S:-e}"]),
        ("a ${S} b", "a ${S} b", ["a ${S} b (secret {0}) → a ${S} b (secret {1})"]),
    ],
)
def test_a_changed_secret_is_told_by_fingerprint_and_never_shown(
    tmp_path: Path, was: str, now: str, lines: list[str]
) -> None:
    pointer = "/routes/0/request_headers/set/x"
    before, after = (
        side(tmp_path, header(text), {"S": value}) for text, value in ((was, "canary-1"), (now, "canary-2"))
    )
    marks = [one.record.secrets.get(pointer, "") for one in (before, after)]
    expected = [line.replace("{0}", marks[0]).replace("{1}", marks[1]) for line in lines]
    assert of_spec(before, after) == [f'~ route "a".request_headers.set.x: {line}' for line in expected]
    assert "canary" not in "".join(of_spec(before, after) + of_resources(before, after))


@pytest.mark.parametrize(
    "place",
    [
        put("routes", 0, "access", [{"roles": ["${S}", "admin"]}, {"roles": ["other"]}]),
        put("routes", 0, "match", {"path": "/a", "hosts": ["${S}"]}),
        put("routes", 0, "name", "${S}"),
        put("routes", 0, "cors", {"allow_origins": ["https://${S}"]}),
        put("upstreams", "u", "endpoints", ["${S}:1"]),
        put("rate_limits", 0, "when", {"role": ["${S}"]}),
        put("rate_limits", 0, "name", "${S}"),
        put("authentication", "api_keys", {"static": [{"id": "k", "sha256": "0" * 64, "user": "${S}"}]}),
        put("authentication", "api_keys", {"static": [{"id": "${S}", "sha256": "0" * 64, "user": "u"}]}),
        put("name", "${S}"),
    ],
)
def test_a_secret_that_changed_is_a_change_of_one_object(tmp_path: Path, place: Edit) -> None:
    spec = edited(place)
    before, after = (side(tmp_path, spec, {"S": value}) for value in ("canary-1", "canary-2"))
    lines = of_spec(before, after)
    assert len(lines) == 1
    assert lines[0].count("(secret ") == 2
    assert "canary" not in "".join(lines + of_resources(before, after))
    assert of_spec(before, before) == []


def test_another_key_gives_other_fingerprints(tmp_path: Path) -> None:
    one, two = (side(tmp_path, header("${S}"), {"S": "v"}, key).record for key in (b"1" * 32, b"2" * 32))
    assert one.secrets.keys() == two.secrets.keys()
    assert not set(one.secrets.values()) & set(two.secrets.values())


def test_the_first_apply_adds_every_object_that_somebody_wrote(tmp_path: Path) -> None:
    added = of_spec(None, side(tmp_path, BASE))
    assert added == [
        *("+ listener", "+ api keys", "+ authentication", '+ upstream "u"', '+ upstream "v"'),
        *(f'+ route "{name}"' for name in "abcde"),
        '+ rate limit "each"',
    ]


def test_a_long_value_is_cut_and_a_difference_behind_the_cut_is_still_told(tmp_path: Path) -> None:
    origins = [["https://" + "a" * 300 + end] for end in "xy"]
    before, after = (side(tmp_path, edited(put("cors", {"allow_origins": one}))) for one in origins)
    (line,) = of_spec(before, after)
    assert len(line) < 2 * LONGEST + 40


def test_the_words_are_yaml_in_the_notation_of_the_language(tmp_path: Path) -> None:
    kept = side(tmp_path, EVERYTHING).record
    assert kept.effective["upstreams"]["dns"]["timeout"] == "1500ms"
    assert kept.effective["rate_limits"][1]["limit"] == "0/90s"
    assert kept.written["routes"][3]["rewrite_prefix"] == "/new"
    assert set(kept.written) == set(yaml.safe_load(EVERYTHING))
    assert Record.model_validate_json(kept.model_dump_json()) == kept
