import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

BACKEND = Path(__file__).parents[2] / "examples" / "customer-support" / "backend.py"
StartBackend = Callable[..., AbstractContextManager[tuple[subprocess.Popen[str], int]]]


@contextmanager
def running(*flags: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, str(BACKEND), "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            announced = re.fullmatch(r"backend listens on http://127\.0\.0\.1:(\d+)\n", process.stdout.readline())
            assert announced, process.communicate(timeout=5)
            yield process, int(announced[1])
        finally:
            process.kill()


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    with running("--debug") as (process, port):
        yield port
        assert process.poll() is None, "the backend died during the tests"


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def start_backend() -> StartBackend:
    """Starts a further backend with these flags; gives the process and its port."""
    return running
