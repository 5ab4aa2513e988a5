import re
import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    name: str
    arguments: list[str]


def instructions() -> list[Instruction]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Instruction(name, shlex.split(rest)) for name, _, rest in (line.partition(" ") for line in lines)]


def arguments(name: str) -> list[list[str]]:
    return [instruction.arguments for instruction in instructions() if instruction.name == name]


def copied_from_the_repository() -> list[str]:
    return [
        source
        for words in arguments("COPY")
        if not any(word.startswith("--from") for word in words)
        for source in words[:-1]
    ]


def test_every_stage_is_built_on_one_pinned_slim_python() -> None:
    assert {words[0] for words in arguments("FROM")} == {"python:3.12-slim-bookworm"}


def test_the_image_runs_as_the_user_that_compose_names() -> None:
    assert instructions()[-2] == Instruction("USER", ["65532:65532"])
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert {s["user"] for s in services.values() if s["image"].startswith("gatectl:")} == {"65532:65532"}


@pytest.mark.parametrize("source", copied_from_the_repository())
def test_everything_copied_exists_and_is_let_through_by_dockerignore(source: str) -> None:
    assert list(ROOT.glob(source))
    assert f"!{source}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_dockerignore_lets_nothing_else_through() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied_from_the_repository())


def test_every_package_of_the_wheel_is_copied() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    forced = {Path(source).parts[0] for source in wheel["force-include"]}
    assert {*wheel["packages"], *forced} <= set(copied_from_the_repository())


def test_versions_come_from_the_constraints_and_no_index_is_named() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt ." in text
    assert not re.search(r"https?://|--(extra-)?index-url|--trusted-host|PIP_", text)
