"""Names that refer to nothing."""

import difflib
from collections.abc import Iterator, Mapping

from gatectl.diagnostics import Diagnostic, Location


def known(at: Location, who: str, kind: str, name: str, names: Mapping[str, str], shown: str) -> Iterator[Diagnostic]:
    """The mistake of a name that refers to nothing; ``names`` maps those that exist to what may be shown of them.

    ``shown`` is what a message may show of ``name``.
    """
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f'did you mean "{names[near[0]]}"?' if near else f"known: {', '.join(names.values()) or 'none'}"
        yield Diagnostic("GC0103", f'{who} names an unknown {kind} "{shown}"', at, hint)
