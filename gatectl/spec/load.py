"""Files → Spec, or every mistake at once.

Three readings, each only of what the one before left whole: the YAML tree, the types, the meaning (`check`).
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from gatectl.diagnostics import Diagnostic, SpecError
from gatectl.spec import check, draft, sources
from gatectl.spec.mistakes import translate
from gatectl.spec.model import Jwks, Section, Spec
from gatectl.spec.tree import Node, Reader, merge

SectionT = TypeVar("SectionT", bound=Section)
_NUMBER_OR_TRUTH = re.compile(r"true|false|0|-?[1-9][0-9]{0,19}")
"""What a value from the environment may become, besides text: never a list or a mapping."""


def load(files: Sequence[str], environ: Mapping[str, str] | None = None) -> tuple[Spec, Node]:
    """Read the files, later ones on top of earlier ones, and return the spec with the tree it came from.

    ``-`` reads standard input, a directory stands for its YAML files. Raises SpecError with all mistakes.
    """
    environ = os.environ if environ is None else environ
    diagnostics: list[Diagnostic] = []
    tree: Node | None = None
    for given in files:
        try:
            found = [sources.read(file) for file in sources.expand([given])]
        except SpecError as error:
            diagnostics += error.diagnostics
            continue
        for source in found:
            reader = Reader(source.name, environ)
            read = reader.read(source.text)
            diagnostics += reader.diagnostics
            if read is not None:
                tree = read if tree is None else merge(tree, read)
    if tree is None:
        raise SpecError(diagnostics)
    try:
        spec = _validate(tree)
    except ValidationError as error:
        # a leaf that could not be read (GC0004) is no type error on top
        spoilt = {diagnostic.location for diagnostic in diagnostics}
        mistakes = [*translate(Spec, tree, error), *check.check(draft.of_tree(tree))]
        raise SpecError([*diagnostics, *(mistake for mistake in mistakes if mistake.location not in spoilt)]) from None
    diagnostics += check.check(draft.of_spec(spec, tree))
    if diagnostics:
        raise SpecError(diagnostics)
    return _anchor(spec, tree), tree


def document(file: str, model: type[SectionT], what: str) -> tuple[SectionT, Node]:
    """Another document that a user writes beside the spec, with the tree it came from. Nothing of it is environment.

    Raises SpecError with all mistakes.
    """
    source = sources.read(file)
    reader = Reader(source.name, None, what)
    tree, diagnostics = reader.read(source.text), reader.diagnostics
    if tree is None:
        raise SpecError(diagnostics)
    try:
        read = model.model_validate(tree.plain())
    except ValidationError as error:
        raise SpecError([*diagnostics, *translate(model, tree, error)]) from None
    if diagnostics:
        raise SpecError(diagnostics)
    return read, tree


def _validate(tree: Node) -> Spec:
    """The typed spec. A number or a truth value from the environment comes as text: its field says what it is."""
    try:
        return Spec.model_validate(tree.plain())
    except ValidationError as error:
        typed: dict[int, Any] = {}  # by node: an alias may stand for a number here and for text there
        for details in error.errors(include_url=False, include_context=False):
            node = tree.find(details["loc"])
            mistyped = node.from_environment and details["type"] in {"int_type", "bool_type", "literal_error"}
            if mistyped and _NUMBER_OR_TRUTH.fullmatch(str(node.value)):
                typed[id(node)] = json.loads(str(node.value))
        if not typed:
            raise
    return Spec.model_validate(tree.plain(typed))


def _anchor(spec: Spec, tree: Node) -> Spec:
    """Relative file names count from the file that they stand in."""
    issuers = []
    for index, issuer in enumerate(spec.authentication.jwt):
        if issuer.jwks.file is not None:
            here = Path(tree.find(("authentication", "jwt", index, "jwks", "file")).at.file)
            absolute = str((here.parent / issuer.jwks.file).absolute())
            issuer = issuer.model_copy(update={"jwks": Jwks(file=absolute)})  # noqa: PLW2901 - the same one, anchored
        issuers.append(issuer)
    authentication = spec.authentication.model_copy(update={"jwt": tuple(issuers)})
    return spec.model_copy(update={"authentication": authentication})
