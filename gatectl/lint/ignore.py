"""What is ignored on purpose: a list beside the spec, each entry with its reason."""

import difflib
from typing import Annotated

from pydantic import StringConstraints

from gatectl.diagnostics import Diagnostic, Location, SpecError
from gatectl.fields import Omittable, Text
from gatectl.lint.rules import RULES
from gatectl.spec.model import Section
from gatectl.spec.tree import Node

FILE = ".gatectl-lint.yaml"
"""Looked for beside the first file of the spec."""


class Entry(Section):
    """Findings of ``rule``, on one ``object`` (``route orders``) or on all, that are as they should be."""

    rule: str
    object: Omittable[Text] = None
    reason: Annotated[Text, StringConstraints(pattern=r"\S")]


class IgnoreList(Section):
    """The whole file."""

    ignore: tuple[Entry, ...]


Ignored = tuple[tuple[Entry, Location], ...]
"""Entries, and where each of them stands."""


def ignored(listed: IgnoreList, tree: Node) -> Ignored:
    """The entries of a list with their places. Raises SpecError when some name a rule that does not exist."""
    known = [rule.id for rule in RULES]
    unknown = []
    for index, entry in enumerate(listed.ignore):
        if entry.rule not in known:
            near = difflib.get_close_matches(entry.rule.upper(), known, 1)
            hint = f'did you mean "{near[0]}"?' if near else "docs/lint.md lists them all"
            at = tree.find(("ignore", index, "rule")).at
            unknown.append(Diagnostic("GC0103", f'there is no rule "{entry.rule}"', at, hint))
    if unknown:
        raise SpecError(unknown)
    return tuple((entry, tree.find(("ignore", index)).at) for index, entry in enumerate(listed.ignore))
