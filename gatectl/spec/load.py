"""Files → Spec, or every mistake at once.

Three readings, each only of what the one before left whole: the YAML tree, the types, the meaning (`check`).
"""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from gatectl.diagnostics import Diagnostic, SpecError
from gatectl.spec import check, draft, sources
from gatectl.spec.mistakes import typed
from gatectl.spec.model import Section, Spec
from gatectl.spec.overlay import merge
from gatectl.spec.tree import Node, Reader

Path = tuple[int | str, ...]
SectionT = TypeVar("SectionT", bound=Section)


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
    spec, mistakes = typed(Spec, tree)
    if spec is None:
        # a leaf that could not be read (GC0004) is no type error on top
        spoilt = {diagnostic.location for diagnostic in diagnostics}
        mistakes += check.check(draft.of_tree(tree))
        raise SpecError([*diagnostics, *(mistake for mistake in mistakes if mistake.location not in spoilt)])
    diagnostics += check.check(draft.of_spec(spec, tree))
    if diagnostics:
        raise SpecError(diagnostics)
    return _anchor(spec, tree), tree


def document(
    file: str, model: type[SectionT], what: str, environ: Mapping[str, str] | None = None
) -> tuple[SectionT, Node]:
    """Another document that a user writes beside the spec, with the tree it came from; ``what`` is what it is called.

    Without ``environ``, ``${`` is text like any other. Raises SpecError with all mistakes.
    """
    source = sources.read(file)
    reader = Reader(source.name, environ, what)
    tree = reader.read(source.text)
    if tree is None:
        raise SpecError(reader.diagnostics)
    read, mistakes = typed(model, tree)
    if read is None or reader.diagnostics:
        raise SpecError([*reader.diagnostics, *mistakes])
    return read, tree


FILES: dict[str, tuple[str, ...]] = {
    "listener": ("certificate", "key", "client_ca", "client_crl"),
    "upstreams": ("ca", "certificate", "key"),
}
"""Fields of ``tls`` that name a file, by section."""


def _anchor(spec: Spec, tree: Node) -> Spec:
    """Relative file names count from the file that they stand in."""

    def absolute(path: Path, file: str) -> str:
        return str((pathlib.Path(tree.find(path).at.file).parent / file).absolute())

    def anchored(section: SectionT, path: Path, fields: Sequence[str]) -> SectionT:
        named = {field: file for field in fields if (file := getattr(section, field)) is not None}
        return section.model_copy(update={field: absolute((*path, field), file) for field, file in named.items()})

    issuers = []
    for index, issuer in enumerate(spec.authentication.jwt):
        jwks = anchored(issuer.jwks, ("authentication", "jwt", index, "jwks"), ("file",))
        issuers.append(issuer.model_copy(update={"jwks": jwks}))
    upstreams = {
        name: upstream.model_copy(
            update={"tls": anchored(upstream.tls, ("upstreams", name, "tls"), FILES["upstreams"])}
            if upstream.tls is not None
            else {}
        )
        for name, upstream in spec.upstreams.items()
    }
    listener = spec.listener
    if listener.tls is not None:
        tls = anchored(listener.tls, ("listener", "tls"), FILES["listener"])
        listener = listener.model_copy(update={"tls": tls})
    authentication = spec.authentication.model_copy(update={"jwt": tuple(issuers)})
    return spec.model_copy(update={"authentication": authentication, "upstreams": upstreams, "listener": listener})
