"""What the documents say is so: every code is explained, every spec loads, every command and option exists."""

import contextlib
import io
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from gatectl.cli import app, run
from gatectl.diagnostics import CODES
from gatectl.spec.load import load
from gatectl.spec.model import Spec
from scripts import reference

ROOT = Path(__file__).parents[2]
DOCS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
GROUPS = {"audit", "import", "keys", "limits", "tokens"}


def commands(text: str) -> list[str]:
    """Every gatectl command line in a document: in code blocks and in code spans."""
    blocks = re.findall(r"```(?:console|sh)\n(.*?)```", text, re.DOTALL)
    lines = [line.lstrip("$ ").split("   #")[0] for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = [line.replace(".venv/bin/gatectl", "gatectl") for line in (*lines, *spans)]
    return [line.strip() for line in found if line.startswith("gatectl ")]


@cache
def help_of(*command: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert run([*command, "--help"]) == 0
    return shown.getvalue()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_gatectl_command_in_a_document_exists_with_its_options(path: Path) -> None:
    for line in commands(path.read_text()):
        words = shlex.split(line.split("|")[0].split(">")[0])[1:]
        command = words[:2] if words[0] in GROUPS else words[:1]
        text = help_of(*command)
        for option in (word.split("=")[0] for word in words if word.startswith("-")):
            assert re.search(rf"(^|[\s,/]){re.escape(option)}\b", text), f"{path.name}: {line}: {option}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_make_target_in_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\"\n]|$)", "\n".join(code(path)))) <= targets


def code(path: Path) -> list[str]:
    text = path.read_text()
    return re.findall(r"```.*?\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_spec_of_the_readme_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    spec = tmp_path / "gateway.yaml"
    spec.write_text(block)
    assert load([str(spec)], {})[0].name == "customer-support"


def test_every_error_code_is_explained() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    rows = dict(re.findall(r"^\| (GC\d{4}) \| ([^|]+) \|", text, re.MULTILINE))
    assert {code: title.strip() for code, title in rows.items()} == CODES


def test_every_field_of_the_language_is_documented() -> None:
    text = (ROOT / "docs" / "spec.md").read_text()
    schema = Spec.model_json_schema()
    fields = {name for definition in (schema, *schema["$defs"].values()) for name in definition.get("properties", {})}
    obvious = {"version", "name", "set", "remove", "path", "user", "roles", "key", "title"}
    assert sorted(name for name in fields - obvious if not re.search(rf"\b{name}\b", text)) == []


def test_the_reference_of_the_commands_is_what_the_generator_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("20", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert reference.reference() == reference.FILE.read_text(), "`make reference` rewrites it"


COMMANDS = dict(reference.commands(get_command(app), "gatectl"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_the_options_of_the_reference(name: str) -> None:
    section = reference.FILE.read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(--?[^`]*)`", section, re.MULTILINE)
    described = {word for row in rows for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)}
    shown = help_of(*name.split()[1:]).rpartition("\nOptions:")[2]
    heads = re.findall(r"^  (-.*?)(?:  |$)", shown, re.MULTILINE)
    options = {word for head in heads for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", head)}
    assert described == options - {"-h", "--help"}
