"""From the files a user names to a report on what is valid and still a bad idea."""

import math
from collections.abc import Sequence
from pathlib import Path

from gatectl.lint.ignore import FILE, Ignored, IgnoreList, ignored
from gatectl.lint.report import FailOn, Report, lint
from gatectl.lint.subject import Subject
from gatectl.rollout.candidate import read
from gatectl.spec import sources
from gatectl.spec.load import document


def lint_files(files: Sequence[str], ignore_file: Path | None, fail_on: FailOn, min_score: float) -> Report:
    """Read a spec and its ignore list, and hold it against every rule.

    Without ``ignore_file``, the one beside the first file counts, if there is one. Raises SpecError with every mistake
    in the spec, or else in the ignore list.
    """
    candidate = read(files)
    subject = Subject(candidate.spec, candidate.tree, candidate.bundle)
    least = math.ceil(round(min_score * 10, 6))  # the score has whole tenths: 9.01 asks for 9.1
    return lint(subject, _ignored(files[0], ignore_file), fail_on, least)


def _ignored(first: str, ignore_file: Path | None) -> Ignored:
    place = Path() if first == sources.STDIN else Path(first)
    beside = (place if place.is_dir() else place.parent) / FILE
    if ignore_file is None and not beside.exists():
        return ()
    return ignored(*document(str(ignore_file or beside), IgnoreList, "an ignore list"))
