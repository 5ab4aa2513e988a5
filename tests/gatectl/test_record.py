"""What is kept of a spec: it goes through JSON and back, and printed as YAML it is the same gateway again."""

import copy
import os
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatectl.diagnostics import GatectlError, SpecError
from gatectl.fields import (
    LONGEST_MS,
    Rate,
    parse_duration,
    parse_rate,
    parse_size,
    write_duration,
    write_rate,
    write_size,
)
from gatectl.rollout import records
from gatectl.rollout.store import CURRENT, Store
from gatectl.spec.formatting.writing import written
from gatectl.spec.record import Record
from gatectl.spec.tree import Reader
from tests.gatectl.changing import Side, side
from tests.gatectl.specs import MINIMAL, route
from tests.gatectl.test_mutations import EVERYTHING, transplanted

ENVIRONMENT = {"PORT": "9", "NAME": "fast", "WORD": "on", "SECONDS": "7s"}


@given(milliseconds=st.integers(1, LONGEST_MS))
@example(milliseconds=90_000)
@example(milliseconds=LONGEST_MS)
def test_a_duration_is_read_as_it_was_written(milliseconds: int) -> None:
    assert parse_duration(write_duration(milliseconds)) == milliseconds


@given(size=st.integers(1, (1 << 32) - 1))
@example(size=1536)
def test_a_size_is_read_as_it_was_written(size: int) -> None:
    assert parse_size(write_size(size)) == size


@given(requests=st.integers(0, 2**53), window=st.integers(1, LONGEST_MS))
@example(requests=1, window=86_400_000)
def test_a_rate_is_read_as_it_was_written(requests: int, window: int) -> None:
    assert parse_rate(write_rate(Rate(requests, window))) == Rate(requests, window)


TRICKY = "1e5 012 0o7 0x1f on off yes no y n = << ~ null Null .5 +.5 -.5 1. 089 +1 -0 1_000 1:30 2001-12-14 .inf .nan"
TRICKY += " true TRUE 1e-3 1E5 1.5e3 - ? : ! & * # % @ ` 'a \"a [a] {a} a#b a:b --- ... ,a |a >a !!int"
TEXTS = st.sampled_from([*TRICKY.split(), "", " ", "a: b", "a #b", " a", "a ", "--- a", "${WORD}", "$${WORD}", "a  b"])
PRINTABLE = st.text(string.ascii_letters + string.digits + string.punctuation + " \t", max_size=300)


@given(text=TEXTS | PRINTABLE | st.text(), number=st.integers(-(2**60), 2**60), truth=st.booleans() | st.none())
def test_data_is_read_as_it_was_written(text: str, number: int, truth: bool | None) -> None:
    data = {"a": text, "b": [text, number, {"c": truth, "d": []}], "e": {}}
    if all(one.isprintable() or one in "\t\n" for one in text):  # the language has no other texts
        reader = Reader("f", {})
        node = reader.read(written(data, []))
        assert reader.diagnostics == []
        assert node is not None
        assert node.plain() == {"a": text, "b": (text, number, {"c": truth, "d": ()}), "e": {}}


def again(directory: Path, one: Side, environ: dict[str, str] | None = None) -> Side:
    """The same spec, by what is kept of it."""
    return side(directory, written(one.record.written, [], references=True), environ or ENVIRONMENT)


@given(value=TEXTS | PRINTABLE)
@example(value="$$${WORD}")
@example(value="${WORD} $${WORD} 1e5")
@example(value="${WORD:-#a: b}")
def test_a_header_of_any_text_is_printed_as_the_same_gateway(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    directory = tmp_path_factory.getbasetemp()
    headers = {"set": {"x-a": value, "1e5": "1", "on": "2", "null": "3", "~": "4"}}
    spec = {**MINIMAL, "routes": [route(request_headers=headers)]}
    try:
        one = side(directory, spec, ENVIRONMENT)
    except SpecError:
        return
    assert again(directory, one).bundle.revision == one.bundle.revision
    assert again(directory, one).record == one.record or one.record.places != {}
    assert again(directory, one).record.effective == one.record.effective
    assert Record.model_validate_json(one.record.model_dump_json()) == one.record


@settings(max_examples=40)
@given(content=transplanted())
@example(content=EVERYTHING)
def test_any_valid_spec_is_printed_as_the_same_gateway(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    directory = tmp_path_factory.getbasetemp() / str(os.getpid())
    directory.mkdir(exist_ok=True)
    try:
        one = side(directory, content)
    except SpecError:
        return
    two = again(directory, one, {})
    assert (two.bundle, two.record.effective) == (one.bundle, one.record.effective)


def environmental() -> dict[str, Any]:
    """Numbers, words, names and truths from the environment."""
    spec = copy.deepcopy(MINIMAL)
    spec["listener"] = {"port": "${PORT}", "idle_timeout": "${SECONDS}"}
    spec["upstreams"]["u"]["circuit_breaker"] = {"max_requests": "1${PORT}"}
    spec["authentication"] = {"api_keys": {}, "forward_credentials": "${NO:-true}"}
    spec["routes"] = [route("${NAME}", {"path": "/${NAME:-x}"}, response_headers={"set": {"x": "${WORD}"}})]
    return spec


def test_what_came_from_the_environment_is_printed_as_it_was_written(tmp_path: Path) -> None:
    one = side(tmp_path, environmental(), ENVIRONMENT)
    assert one.record.written["listener"] == {"port": "${PORT}", "idle_timeout": "${SECONDS}"}
    assert len(one.record.secrets) == 7
    assert again(tmp_path, one).bundle == one.bundle
    other = again(tmp_path, one, ENVIRONMENT | {"PORT": "8"})
    assert other.bundle.revision != one.bundle.revision


def stored(directory: Path, content: bytes | None) -> Path:
    store = Store(directory)
    store.prepare()
    name = store.write(side(directory, MINIMAL).bundle)
    store.switch(CURRENT, name)
    if content is not None:
        (directory / "generations" / name / "spec.json").write_bytes(content)
    return directory


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 2, "written": {}, "effective": {}}',
        b'{"written": {}, "effective": {}}',
        b'{"written": {}, "effective": {"routes": 1}}',
        b'{"written": {}, "effective": {"name": "a", "routes": [{}], "upstreams": []}}',
    ],
)
def test_a_record_that_is_damaged_is_none(tmp_path: Path, content: bytes | None) -> None:
    directory = stored(tmp_path, content)
    assert records.read_record(directory, Store(directory).generation(CURRENT)) is None
    with pytest.raises(GatectlError, match="nothing is known of the spec"):
        records.dump(directory, None)


def test_a_record_that_somebody_changed_is_none(tmp_path: Path) -> None:
    directory, kept = stored(tmp_path, None), side(tmp_path, MINIMAL)
    revision = str(Store(directory).generation(CURRENT))
    records.write_record(directory, revision, kept.record)
    assert records.read_record(directory, revision) == kept.record
    path = directory / "generations" / revision / "spec.json"
    path.write_text(path.read_text().replace('"small"', '"large"'))
    assert records.read_record(directory, revision) is None


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    assert records.prepare_key(tmp_path)
    made = (tmp_path / records.KEY).read_bytes()
    assert len(made) == 32
    assert (tmp_path / records.KEY).stat().st_mode & 0o777 == 0o600
    assert not records.prepare_key(tmp_path)
    assert (tmp_path / records.KEY).read_bytes() == made


def test_a_name_of_a_file_cannot_add_lines_to_what_is_printed(tmp_path: Path) -> None:
    directory, kept = stored(tmp_path, None), side(tmp_path, MINIMAL).record
    revision = str(Store(directory).generation(CURRENT))
    records.write_record(directory, revision, kept.model_copy(update={"files": ("a\nname: b",)}))
    assert records.dump(directory, None).splitlines()[0] == f"# revision {revision}, from a\\nname: b"
