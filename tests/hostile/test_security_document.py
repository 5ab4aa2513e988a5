"""docs/security.md promises tests: each must exist, and each family must be promised."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
HERE = Path(__file__).parent


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"tests/[a-z0-9_/]+\.py", TEXT))
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_family_and_every_module_of_attacks_is_in_the_table() -> None:
    told = " ".join(row[2] for row in table("Attacks, and where each is tested"))
    modules = {*(HERE / "families").glob("*.py"), *HERE.glob("test_*.py")} - {Path(__file__), HERE / "test_attacks.py"}
    assert sorted(path.name for path in modules if str(path.relative_to(ROOT)) not in told) == []


def test_no_attack_is_without_a_test() -> None:
    assert [row[0] for row in table("Attacks, and where each is tested") if "tests/" not in row[2]] == []


def test_all_ten_risks_are_answered() -> None:
    rows = table("OWASP API Security Top 10 (2023)")
    assert [row[0].split()[0] for row in rows] == [f"API{number}" for number in range(1, 11)]
    assert [row[0] for row in rows if not all(row[:3])] == []
