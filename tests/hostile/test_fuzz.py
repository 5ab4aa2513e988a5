import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ext_authz import engine
from tests.hostile.check_requests import SEEDS
from tests.hostile.fuzz_check_request import broken_by, fuzz, may, service

SECONDS, SEED = 2.0, 20261122


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


async def test_no_damage_to_a_check_request_opens_a_door_or_leaves_it_unanswered(tmp_path: Path) -> None:
    tried, passed, crash = await fuzz(SECONDS, SEED, tmp_path)
    assert crash is None
    assert tried > passed > 0


@pytest.mark.parametrize("raw", SEEDS, ids=range(len(SEEDS)))
async def test_an_undamaged_request_is_judged_as_the_fuzzer_expects(tmp_path: Path, raw: bytes) -> None:
    response = await service(tmp_path).check(raw)
    assert (b"x-gate-" in response) == may(raw)


async def test_the_fuzzer_notices_an_open_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = engine.decide

    def open_door(case: engine.Case, outcomes: Any) -> engine.Decision:
        return decide(case, outcomes)._replace(allow=True)

    monkeypatch.setattr(engine, "decide", open_door)
    *_, crash = await fuzz(SECONDS, SEED, tmp_path)
    assert crash is not None
    assert crash[1] == "let through"
    monkeypatch.undo()
    assert await broken_by(service(tmp_path), crash[0]) is None
