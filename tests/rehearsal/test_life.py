"""A rehearsal leaves nothing behind, however it ends, and nothing that is asked of it brings it down."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatectl.diagnostics import GatectlError
from gatectl.rehearsal.callers import Caller
from gatectl.rehearsal.explain import tell
from gatectl.rehearsal.rehearsal import Course, Rehearsal
from gatectl.rehearsal.request import Request
from gatectl.rollout.candidate import read
from gatectl.views.human import HumanView
from tests.rehearsal.specs import written

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "customer-support"
SLOW = """\
spec: SPEC
tests: [{request: GET /healthz, repeat: 10000, expect: allow}]
"""


def envoys(directory: Path) -> list[int]:
    """Processes that were started for a rehearsal in ``directory``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode()
            except OSError:
                continue
            if str(directory) in command and "envoy" in command:
                found.append(int(entry.name))
    return found


def modes(directory: Path) -> list[int]:
    return [stat.S_IMODE(entry.stat().st_mode) for entry in directory.iterdir()]


def until(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short name, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="gw-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.mark.parametrize(
    ("number", "code", "left"),
    [(signal.SIGINT, 130, 0), (signal.SIGTERM, 130, 0), (signal.SIGHUP, 130, 0), (signal.SIGKILL, -9, 1)],
)
def test_a_signal_ends_it_and_its_envoy(place: Path, number: signal.Signals, code: int, left: int) -> None:
    """After SIGKILL nobody can clear the directory away; what is left of it holds no configuration."""
    suite = SLOW.replace("SPEC", str(EXAMPLE / "gateway.yaml"))
    process = subprocess.Popen(
        [sys.executable, "-m", "gatectl", "test", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place)},
    )
    try:
        assert process.stdin is not None
        process.stdin.write(suite.encode())
        process.stdin.close()
        until(lambda: any(place.rglob("listener.sock")) and not any(place.rglob("envoy.json")))
        assert len(envoys(place)) == 1
        process.send_signal(number)
        assert process.wait(20) == code
        until(lambda: envoys(place) == [])
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
        assert len(list(place.iterdir())) == left
        assert not any(place.rglob("envoy.json"))
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def test_a_failure_in_it_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(place))
    candidate = read([str(EXAMPLE / "gateway.yaml")])

    async def fail() -> None:
        async with Rehearsal.of(candidate, [], place):
            assert modes(place) == [0o700]
            assert len(envoys(place)) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert (envoys(place), list(place.iterdir())) == ([], [])


def test_an_envoy_that_does_not_start_is_told_in_its_own_words(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr("gatectl.rehearsal.rehearsal.configuration", lambda *_: b'{"nonsense": 1}')

    async def start() -> None:
        async with Rehearsal.of(read([str(EXAMPLE / "gateway.yaml")]), [], place):
            pass

    with pytest.raises(GatectlError, match=r"did not start.*nonsense"):
        asyncio.run(start())
    assert list(place.iterdir()) == []


def test_a_place_too_deep_for_sockets_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = place / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    async def start() -> None:
        async with Rehearsal.of(read([str(EXAMPLE / "gateway.yaml")]), [], place):
            pass

    with pytest.raises(GatectlError, match="TMPDIR"):
        asyncio.run(start())
    assert list(deep.iterdir()) == []


class Stage:
    """A rehearsal on a loop of its own, for tests that are functions."""

    def __init__(self, file: str) -> None:
        self.candidate = read([file])
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        rehearsal = Rehearsal.of(self.candidate, [Caller(user="u", roles=("reader",))], Path(file).parent)
        self.rehearsal = self._runner.run(self._stack.enter_async_context(rehearsal))

    def ask(self, request: Request, *, known: bool) -> Course:
        return self._runner.run(self.rehearsal.ask(request, self.rehearsal.credentials[0] if known else None))

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        stage = Stage(written(tmp_path_factory.mktemp("spec"), monkeypatch))
        yield stage
        stage.close()


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
paths = st.one_of(visible, st.lists(st.sampled_from(["/", "s", "own", "open", "%", "2f", "..", "?", "é"])).map("".join))
headers = st.lists(st.tuples(visible, st.text(max_size=20)), max_size=3).map(tuple)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "CONNECT", "TRACE", "X", "g"]) | visible,
    path=paths,
    headers=headers,
    host=visible,
    size=st.sampled_from([0, 0, 0, 70_000]),
    known=st.booleans(),
)
def test_any_request_is_told_or_refused_as_one_that_cannot_be_sent(
    stage: Stage, method: str, path: str, headers: tuple[tuple[str, str], ...], host: str, size: int, known: bool
) -> None:
    try:
        course = stage.ask(Request(method, path, headers, host, body_size=size), known=known)
    except GatectlError as error:
        if error.exit_code != 64:
            raise
        return
    told = tell(course, stage.candidate)
    assert (told["decision"] == "allow") is (course.forwarded is not None or course.answer.status < 400)
    HumanView().result("explained", told)
