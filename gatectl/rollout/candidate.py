"""From the files a user names to a bundle that may be applied."""

from collections.abc import Sequence
from dataclasses import dataclass

from gatectl.compiler import compile_spec
from gatectl.diagnostics import SpecError
from gatectl.render import messages
from gatectl.render.bundle import Bundle, build
from gatectl.rollout import envoy_check
from gatectl.spec.load import load
from gatectl.spec.model import Spec


@dataclass(frozen=True)
class Candidate:
    """A spec, what it renders to, and whether a real Envoy has looked at it."""

    spec: Spec
    bundle: Bundle
    seen_by_envoy: bool


def read(files: Sequence[str], port: int | None = None) -> Candidate:
    """Load, compile and render; ``port`` overrides the listener's. Raises SpecError with every mistake."""
    spec, _ = load(files)
    if port is not None:
        spec = spec.model_copy(update={"listener": spec.listener.model_copy(update={"port": port})})
    return Candidate(spec, build(compile_spec(spec)), seen_by_envoy=False)


def prove(candidate: Candidate, envoy: envoy_check.Mode) -> Candidate:
    """Check a candidate against Envoy's API, then by Envoy itself. Raises SpecError with what they say."""
    diagnostics = messages.check(candidate.bundle)
    seen = False
    if not diagnostics:
        diagnostics, seen = envoy_check.check(candidate.bundle, envoy)
    if diagnostics:
        raise SpecError(diagnostics)
    return Candidate(candidate.spec, candidate.bundle, seen)
