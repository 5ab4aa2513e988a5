"""From text to a report in one step, as `gatectl lint` does it."""

from collections.abc import Mapping
from pathlib import Path

from gatectl.compiler import compile_spec
from gatectl.lint.ignore import Ignored
from gatectl.lint.report import FailOn, Report, lint
from gatectl.lint.subject import Subject
from gatectl.render.bundle import build
from gatectl.spec.load import load


def subject(directory: Path, *texts: str, environ: Mapping[str, str] | None = None) -> Subject:
    """Each text in a file of its own, one laid over the other: 0.yaml, 1.yaml."""
    paths = [directory / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    spec, tree = load([str(path) for path in paths], environ or {})
    return Subject(spec, tree, build(compile_spec(spec)))


def report(directory: Path, *texts: str, ignored: Ignored = (), fail_on: FailOn = "error", least: int = 0) -> Report:
    return lint(subject(directory, *texts), ignored, fail_on, least)
