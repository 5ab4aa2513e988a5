"""`gatectl test`: every test of a file in one rehearsal, and what they covered."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatectl.diagnostics import GatectlError
from gatectl.rehearsal import references, suite
from gatectl.rehearsal.coverage import Coverage
from gatectl.rehearsal.explain import tell
from gatectl.rehearsal.rehearsal import Rehearsal, until_stopped
from gatectl.rehearsal.source import Source
from gatectl.rehearsal.suite import Script, Test
from gatectl.rehearsal.verdict import failures
from gatectl.rollout.candidate import Candidate, read

USAGE = 64


def test(file: str, files: Sequence[str], state_dir: Path, fail_under: int) -> dict[str, Any]:
    """Run the tests in ``file``; ``ok`` says whether all passed and ``fail_under`` percent are covered.

    Raises SpecError for mistakes in the tests or the spec, GatectlError when there can be no rehearsal.
    """
    script = suite.load(file, files)
    candidate = read(script.files)
    references.check(script, candidate.spec)
    tests, coverage = until_stopped(_run(script, candidate, state_dir))
    passed, covered = sum(one["passed"] for one in tests), coverage.data()
    return {
        "gateway": Source(candidate).text("name"),
        "revision": candidate.bundle.revision,
        "file": file,
        "ok": passed == len(tests) and covered["percent"] >= fail_under,
        "passed": passed,
        "failed": len(tests) - passed,
        "fail_under": fail_under,
        "tests": tests,
        "coverage": covered,
    }


async def _run(script: Script, candidate: Candidate, state_dir: Path) -> tuple[list[dict[str, Any]], Coverage]:
    coverage, callers = Coverage(candidate), script.suite.callers
    async with Rehearsal.of(candidate, list(callers.values()), state_dir) as rehearsal:
        credentials = dict(zip(callers, rehearsal.credentials, strict=True))
        tests = []
        for index, one in enumerate(script.suite.tests):
            started = time.perf_counter()
            credential = credentials[one.caller] if one.caller is not None else None
            node, asked = (script.tree.find(("tests", index, field)) for field in ("expect", "request"))
            told: dict[str, Any] = {}
            try:
                course = await rehearsal.ask(one.request.request(), credential, one.repeat)
            except GatectlError as error:
                if error.exit_code != USAGE:
                    raise
                wrong = [{"field": "request", "expected": "a request", "got": str(error), "place": str(asked.at)}]
            else:
                coverage.add(course)
                told = tell(course, candidate)
                wrong = failures(one.expectation, course, told, candidate, node)
            place = script.tree.find(("tests", index))
            seconds = time.perf_counter() - started
            tests.append(_outcome(one, str(place.at), told, wrong, seconds))
    return tests, coverage


def _outcome(
    one: Test, place: str, told: dict[str, Any], wrong: list[dict[str, str]], seconds: float
) -> dict[str, Any]:
    route = told.get("route")
    return {
        "name": one.title,
        "place": place,
        "request": f"{one.request.method} {one.request.path}",
        "as": one.caller,
        "passed": not wrong,
        "decision": told["decision"] if told else None,
        "status": told["answer"]["status"] if told else None,
        "reason": told["answer"]["reason"] if told else None,
        "route": route["name"] if route else None,
        "failures": wrong,
        "seconds": round(seconds, 4),
    }
