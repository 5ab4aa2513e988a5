import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
VERSIONS = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LINES)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


def test_every_line_is_one_exact_version() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+", line)] == []
    assert len(VERSIONS) == len(LINES)


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_every_dependency_of_the_project_is_satisfied(text: str) -> None:
    requirement = Requirement(text)
    assert requirement.specifier.contains(VERSIONS[canonicalize_name(requirement.name)])


def test_the_dependencies_of_every_constrained_package_are_constrained_to_what_they_accept() -> None:
    wrong = []
    for name, version in VERSIONS.items():
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another platform or Python
            continue
        for requirement in map(Requirement, required):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            constrained = VERSIONS.get(canonicalize_name(requirement.name))
            if constrained is None or not requirement.specifier.contains(constrained, prereleases=True):
                wrong.append(f"{name} {version} needs {requirement}, constrained to {constrained}")
    assert wrong == []
