"""For pull requests: a plan that fits into one comment."""

from typing import Any

from gatectl.changes.words import cut, lines
from gatectl.diagnostics import printable
from gatectl.rollout.plan import UNKNOWN, Plan
from gatectl.views import write
from gatectl.views.human import HumanView

LONGEST_LINE = 500
"""Characters; the fences of a frame are as long as its longest line at most."""
LARGEST = 60_000
"""Characters; a comment on GitHub may have 65,536."""


class MarkdownView(HumanView):
    """Plans as Markdown; everything else is for people anyway."""

    def result(self, kind: str, data: Any) -> None:
        """A plan."""
        if kind == "planned":
            write(_plan(Plan.model_validate({name: data[name] for name in Plan.model_fields})))
        else:
            super().result(kind, data)


def _plan(plan: Plan) -> str:
    summary = plan.summary
    name = cut(plan.gateway).replace("`", "'")  # in a span of code, nothing is a mark, a link or a mention
    title = f"### gatectl plan: `{name}`\n\n"
    if plan.changed:
        title += (
            f"**{summary['add']} to add, {summary['change']} to change, {summary['delete']} to destroy** "
            f"(`{plan.base or 'nothing'}` → `{plan.revision}`)\n"
        )
    else:
        title += f"No changes: `{plan.revision}` is in force.\n"
    if plan.interrupted:
        title += f"\nThe rollout of `{plan.interrupted}` was interrupted: `{plan.base or 'nothing'}` is in force.\n"
    if plan.changes is None:
        title += f"\n{UNKNOWN[0].upper()}{UNKNOWN[1:]}.\n"
    levels = [
        ("Warnings", [("!", f"{one.kind} {one.object}: {one.message}") for one in plan.effects]),
        ("Drift", [("!", f"{one.part}: {one.message}") for one in plan.drift]),
        ("Spec", [line for change in plan.changes or () for line in lines(change)]),
        ("Envoy and services", [line for change in plan.resources for line in lines(change)]),
    ]
    text, left = title, LARGEST - len(title) - 500  # for the frames and the notes about what was left out
    for name, found in levels:
        if found:
            part = _level(name, found, left)
            text, left = text + part, left - len(part)
    return text


def _level(title: str, found: list[tuple[str, str]], room: int) -> str:
    """A level in a frame that its text cannot break out of, cut to fit into ``room`` characters."""
    body: list[str] = []
    for sign, line in found:
        # GitHub colours lines of a diff by their first character: a change is neither added nor deleted
        text = f"{'!' if sign == '~' else sign} {printable(line[:LONGEST_LINE])}"
        room -= len(text) + 1
        if room < 0:
            break
        body.append(text)
    longest = max((len(run) for line in body for run in _ticks(line)), default=0)
    fence = "`" * max(3, longest + 1)
    rest = f"\n… and {len(found) - len(body)} more lines\n" if len(body) < len(found) else ""
    return (
        f"\n<details open><summary>{title}</summary>\n\n{fence}diff\n"
        + "\n".join(body)
        + f"\n{fence}\n{rest}</details>\n"
    )


def _ticks(line: str) -> list[str]:
    return ["".join(run) for run in "".join(one if one == "`" else " " for one in line).split()]
