"""From the files a user names to a bundle that may be applied."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gatectl.compiler import compile_spec
from gatectl.diagnostics import Diagnostic, SpecError
from gatectl.render import messages
from gatectl.render.bundle import Bundle, build
from gatectl.rollout import certificate_files, envoy_check
from gatectl.rollout.blame import blame
from gatectl.snapshot import Snapshot
from gatectl.spec.load import load
from gatectl.spec.model import Spec
from gatectl.spec.record import record
from gatectl.spec.tree import Node


@dataclass(frozen=True)
class Candidate:
    """A spec, where its words stand, what it means and renders to, and whether a real Envoy has looked at it."""

    spec: Spec
    tree: Node
    snapshot: Snapshot
    bundle: Bundle
    seen_by_envoy: bool
    unchecked: tuple[Diagnostic, ...] = ()
    """Warnings about files that are not on this machine."""


def read(files: Sequence[str], port: int | None = None) -> Candidate:
    """Load, compile and render; ``port`` overrides the listener's. Raises SpecError with every mistake."""
    spec, tree = load(files)
    if port is not None:
        spec = spec.model_copy(update={"listener": spec.listener.model_copy(update={"port": port})})
    snapshot = compile_spec(spec)
    return Candidate(spec, tree, snapshot, build(snapshot), seen_by_envoy=False)


def prove(candidate: Candidate, envoy: envoy_check.Mode, *, both: bool = False, here: bool = False) -> Candidate:
    """Check a candidate by Envoy itself, and against its typed API when no Envoy was asked, or when ``both``.

    The API knows less than the binary and takes ten times as long: it stands in where there is none. Certificates are
    looked into where they can be read; ``here`` says that they must be, because Envoy runs on this machine. Raises
    SpecError with what is wrong.
    """
    found = certificate_files.check(candidate.spec, candidate.tree)
    if (here and found) or any(one.severity == "error" for one in found):
        raise SpecError(replace(one, severity="error") if here else one for one in found)
    refused, seen = envoy_check.check(candidate.bundle, envoy)
    if both or not seen:
        diagnostics = messages.check(candidate.bundle)
        if diagnostics:
            raise SpecError(diagnostics)
    if refused:
        kept = record(candidate.spec, candidate.tree, (), secrets.token_bytes(32))
        raise SpecError(blame(one.message, candidate.bundle, kept) for one in refused)
    return replace(candidate, seen_by_envoy=seen, unchecked=tuple(found))
