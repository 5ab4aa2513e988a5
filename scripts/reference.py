"""Writes docs/cli.md from the commands themselves: ``python -m scripts.reference``. The same on every terminal."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from gatectl.cli import app

FILE = Path(__file__).parents[1] / "docs" / "cli.md"
HEADING = """\
# The command line

Made from the commands by `make reference`. Every command knows `--help`; what goes to stdout with `-o json` is one
document with stable names. Exit codes are in [errors.md](errors.md).
"""


def reference() -> str:
    """The whole document."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    found = list(commands(root, "gatectl"))
    rows = [f"| [{name}](#{name.replace(' ', '-')}) | {_first(command)} |" for name, command in found]
    listed = "\n".join(["| command | what it does |", "| --- | --- |", *rows])
    return "\n".join([HEADING, listed, *(_section(name, command) for name, command in found)])


def commands(group: TyperGroup, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Every command below, with its full name, in the order of the help."""
    for word, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{name} {word}")
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield f"{name} {word}", command


def options(command: TyperCommand) -> list[TyperOption]:
    """What can be written with dashes."""
    return [one for one in command.params if isinstance(one, TyperOption) and not one.hidden]


def _section(name: str, command: TyperCommand) -> str:
    text, _, examples = inspect.cleandoc(command.help or "").partition("Examples:")
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    usage = " ".join([name, "[OPTIONS]", *(_metavar(one) for one in arguments)])
    lines = ["", f"## {name}", "", f"```text\n{usage}\n```", "", text.strip()]
    if examples:
        shown = "\n".join(line.strip() for line in examples.splitlines() if line.strip())
        lines += ["", f"```text\n{shown}\n```"]
    if arguments:
        rows = [f"| `{_cell(_metavar(one))}` | {_cell(one.help)} |" for one in arguments]
        lines += ["", "| argument | meaning |", "| --- | --- |", *rows]
    if options(command):
        lines += ["", "| option | default | meaning |", "| --- | --- | --- |", *map(_row, options(command))]
    return "\n".join([*lines, ""]).rstrip("\n") + "\n"


def _row(option: TyperOption) -> str:
    words = [*option.opts, *option.secondary_opts]
    choices = option.type_descriptor.choices if option.type_descriptor.is_choice else None
    value = "" if option.is_flag else " " + ("\\|".join(map(str, choices)) if choices else option.metavar or "VALUE")
    environment = f" Environment: `{option.envvar}`." if option.envvar else ""
    return f"| `{', '.join(words)}{value}` | {_default(option)} | {_cell(option.help)}{environment} |"


def _default(option: TyperOption) -> str:
    default = option.default
    if default is None or default is False or callable(default):
        return "required" if option.required else ""
    if default is True:
        return f"`{option.opts[0]}`"
    return f"`{' '.join(map(str, default)) if isinstance(default, (list, tuple)) else default}`"


def _metavar(argument: TyperArgument) -> str:
    choices = argument.type_descriptor.choices if argument.type_descriptor.is_choice else None
    name = (argument.metavar or ("|".join(map(str, choices)) if choices else str(argument.name).upper())).strip("[]")
    return name if argument.required else f"[{name}]"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _first(command: TyperCommand) -> str:
    return inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
