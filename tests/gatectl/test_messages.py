"""Every class of mistake that a template could make is found by the typed API, on a machine without Envoy."""

import copy
import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatectl.render.bundle import canonical
from gatectl.render.messages import NEWER_THAN_THE_LIBRARY, SWITCHED_ON, UNREADABLE, check, check_message
from tests.gatectl.specs import bundle

MANAGER = ["filter_chains", 0, "filters", -1, "typed_config"]
FILTER = [*MANAGER, "http_filters"]
PER_ROUTE = ["virtual_hosts", 0, "routes", 0, "typed_per_filter_config"]
GOLDEN = Path(__file__).parents[1] / "golden" / "everything" / "bundle" / "envoy"


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[str, Any]]:
    """One message of each kind."""
    return {kind: json.loads((GOLDEN / f"{kind}.json").read_text())["resources"][0] for kind in ("lds", "cds", "rds")}


def changed(message: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    message = copy.deepcopy(message)
    *above, last = path
    parent: Any = message
    for step in above:
        parent = parent[step]
    parent[last] = value
    return message


MISTAKES: dict[str, tuple[str, list[Any], Any, str]] = {
    "an unknown field": ("cds", ["connect_timeoutt"], "1s", "Unknown field 'connect_timeoutt' in message Cluster"),
    "one in a nested message": ("cds", ["load_assignment", "x"], 1, "Unknown field 'x'"),
    "one in a list": ("cds", ["load_assignment", "endpoints", 0, "x"], 1, "Unknown field 'x'"),
    "one in an Any": ("lds", [*MANAGER, "x"], 1, "Unknown field 'x' in message HttpConnectionManager"),
    "one in an Any in an Any": ("lds", [*FILTER, -1, "typed_config", "x"], 1, "Unknown field 'x' in message Router"),
    "one in a map of Any": ("rds", [*PER_ROUTE, "envoy.filters.http.ext_authz", "x"], 1, "message ExtAuthzPerRoute"),
    "an unknown word": ("cds", ["type"], "STATICAL", "Unknown value STATICAL for enum"),
    "a word in lower case": ("cds", ["type"], "static", "Unknown value static for enum"),
    "an unknown word in an Any": ("lds", [*MANAGER, "codec_type"], "HTTP9", "Unknown value HTTP9 for enum"),
    "a duration without unit": ("cds", ["connect_timeout"], "5", "Invalid duration string: 5"),
    "a duration in minutes": ("cds", ["connect_timeout"], "1m", "Invalid duration string: 1m"),
    "a number for a duration": ("cds", ["connect_timeout"], 5, "upstream-dns"),
    "an endless duration": ("cds", ["connect_timeout"], "9" * 400 + "s", "infinity"),
    "a bad duration in an Any": ("lds", [*MANAGER, "stream_idle_timeout"], "5", "Invalid duration string: 5"),
    "a number for a text": ("cds", ["name"], 1, "name: Input should be a valid string"),
    "a text for a number": ("cds", ["circuit_breakers", "thresholds", 0, "max_requests"], "many", "valid integer"),
    "a fraction for a number": ("cds", ["circuit_breakers", "thresholds", 0, "max_requests"], 1.5, "valid integer"),
    "a negative number": (
        "cds",
        ["circuit_breakers", "thresholds", 0, "max_requests"],
        -1,
        "greater than or equal to 0",
    ),
    "a number too large": ("cds", ["circuit_breakers", "thresholds", 0, "max_requests"], 1 << 32, "4294967295"),
    "a text for a truth value": ("lds", [*MANAGER, "normalize_path"], "maybe", "valid boolean"),
    "a list for a message": ("cds", ["load_assignment"], [], "upstream-dns"),
    "a text for a list": ("cds", ["load_assignment", "endpoints"], "a", "upstream-dns"),
    "a list for a map": ("rds", PER_ROUTE, [1], "gateway"),
    "a number in a map of texts": (
        "rds",
        [*PER_ROUTE, "envoy.filters.http.ext_authz", "check_settings", "context_extensions"],
        {"a": 1},
        "context_extensions.a: Input should be a valid string",
    ),
    "two of a oneof": ("rds", ["virtual_hosts", 0, "routes", 0, "redirect"], {}, "gateway"),
    "an unknown @type": ("cds", ["@type"], "type.googleapis.com/envoy.config.cluster.v3.Clutser", "Clutser"),
    "an unknown package": ("cds", ["@type"], "type.googleapis.com/envoy.nope.v3.Cluster", "envoy.nope"),
    "a module outside": ("cds", ["@type"], "type.googleapis.com/os.path", "os"),
    "no @type": ("cds", ["@type"], None, "upstream-dns"),
    "an unknown @type in an Any": ("lds", [*MANAGER, "@type"], "type.googleapis.com/envoy.nope.v3.Nope", "envoy.nope"),
    "another message's @type": ("cds", ["@type"], "type.googleapis.com/envoy.config.listener.v3.Listener", "Listener"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_found(rendered: dict[str, dict[str, Any]], case: str) -> None:
    kind, path, value, message = MISTAKES[case]
    assert list(check_message(rendered[kind])) == []
    (found,) = check_message(changed(rendered[kind], path, value))
    assert message in found
    assert "ValidationError" not in found, "the name of a class helps nobody"


def test_a_mistake_in_a_bundle_says_in_which_file(tmp_path: Path) -> None:
    good = bundle(tmp_path)
    document = json.loads(good.files["envoy/rds.json"])
    document["resources"][0]["virtual_hosts"][0]["nmae"] = 1
    broken = replace(good, files={**good.files, "envoy/rds.json": canonical(document).encode()})
    assert check(good) == []
    (found,) = check(broken)
    assert (found.code, found.message) == ("GC0200", "rds: gateway: Unknown field 'nmae' in message VirtualHost.")


def knows(name: str) -> bool:
    package, _, message = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(f"envoy_data_plane.{package}"), message)
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("name", NEWER_THAN_THE_LIBRARY)
def test_an_exception_is_needed(name: str) -> None:
    """The library learns it one day: then the table must shrink, because the library checks better."""
    assert not knows(name)


def test_the_exception_for_a_filter_that_is_switched_on_is_needed() -> None:
    _, _, name = SWITCHED_ON["@type"].rpartition(".")
    message = getattr(importlib.import_module("envoy_data_plane.envoy.config.route.v3"), name)
    with pytest.raises(TypeError):
        message.from_dict({"config": SWITCHED_ON["config"]})


@pytest.mark.parametrize("name", NEWER_THAN_THE_LIBRARY)
def test_an_excepted_message_may_have_its_fields_and_no_other(name: str) -> None:
    message = {"@type": f"type.googleapis.com/{name}"} | dict.fromkeys(NEWER_THAN_THE_LIBRARY[name], 1)
    holder = {
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "holder",
        "typed_config": message,
    }
    assert list(check_message(holder)) == []
    (found,) = check_message(changed(holder, ["typed_config", "other"], 1))
    assert f"Unknown field 'other' in type.googleapis.com/{name}" in found


@pytest.mark.parametrize("field", UNREADABLE)
def test_an_unreadable_field_is_one_that_the_library_really_cannot_read(field: str) -> None:
    package, _, name = UNREADABLE[field].rpartition(".")
    message = getattr(importlib.import_module(f"envoy_data_plane.{package}"), name)
    with pytest.raises(KeyError):
        message.from_dict({field: 5})


def test_the_exceptions_are_used(rendered: dict[str, dict[str, Any]]) -> None:
    """An exception that no template needs is a hole for nothing."""
    text = "".join((GOLDEN / f"{kind}.json").read_text() for kind in rendered)
    assert [name for name in [*NEWER_THAN_THE_LIBRARY, *UNREADABLE] if name not in text] == []
