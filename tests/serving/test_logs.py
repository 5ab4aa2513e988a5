import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from serving.logs import JsonFormatter
from tests.serving.processes import ROOT


class Rude:
    def __str__(self) -> str:
        raise RuntimeError


def written(message: str = "m", *args: object, error: BaseException | None = None, **extra: object) -> dict[str, Any]:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, message, args, info, extra=extra)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert line.isascii()
    entry: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return entry


def circle() -> list[object]:
    items: list[object] = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    "value",
    ['é\n"\\\x00\u2028', "\ud800", float("nan"), float("-inf"), {("a", 1): 2}, circle(), b"\xff", Rude(), None, {1, 2}],
    ids=lambda value: type(value).__name__,
)
def test_any_extra_gives_one_line_of_valid_json(value: object) -> None:
    entry = written(value=value, other="kept")
    assert entry["other"] == "kept"
    assert "value" in entry


def test_text_arrives_as_it_was() -> None:
    assert written("m", value='é\n"\u2028')["value"] == 'é\n"\u2028'


def test_arguments_that_do_not_fit_the_message_do_not_lose_the_line() -> None:
    assert written("%d %d", "secret")["message"] == "%d %d"


def test_an_extra_cannot_pose_as_a_standard_field() -> None:
    entry = written(level="critical", logger="other", time="now", more=1)
    assert (entry["level"], entry["logger"], entry["more"]) == ("info", "x", 1)
    assert entry["time"] != "now"


def test_an_exception_is_told_by_type_and_place_never_by_its_text() -> None:
    try:
        int("hunter2")
    except ValueError as error:
        entry = written(error=error, cause=error)
    assert (entry["exception"], entry["cause"]) == ("ValueError", "ValueError")
    assert entry["at"].rpartition(":")[0] == __file__
    assert "hunter2" not in json.dumps(entry)


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('hunter2')",
        "import threading; t = threading.Thread(target=lambda: 1 / int('hunter2')); t.start(); t.join()",
        "import warnings; warnings.warn('careful')",
    ],
    ids=["uncaught", "uncaught in a thread", "warning"],
)
def test_what_nobody_caught_is_a_json_line_too(code: str) -> None:
    program = f"from serving import logs; logs.configure('info'); {code}"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    [line] = ended.stderr.splitlines()
    assert json.loads(line)["level"] in {"critical", "warning"}
    assert "hunter2" not in line
