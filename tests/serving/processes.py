"""A service as a process of its own: started, looked at from outside, stopped whatever happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


def eventually(ask: Callable[[], T], seconds: float = 10) -> T:
    """What ``ask`` returns once that is true. For what no event tells."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.01)
    return answer


def stage(state_dir: Path, slot: str, file: str, document: str) -> None:
    """Show a new generation in a slot as the control plane does: by renaming a symlink over the old one."""
    generation = state_dir / "generations" / f"g{time.monotonic_ns()}"
    generation.mkdir(parents=True)
    (generation / file).write_text(document)
    fresh = state_dir / f".{slot}"
    fresh.symlink_to(generation)
    fresh.replace(state_dir / slot)


def alive(pid: int) -> bool:
    """Whether a process runs. One that ended but was not waited for (by init, in a container without one) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Process:
    """``python -m package``; its stderr is read line by line as it comes."""

    def __init__(self, package: str, *flags: str | Path, **environ: str) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "serving")])
        self.popen = subprocess.Popen(
            [sys.executable, "-m", package, *map(str, flags)],
            env={**os.environ, "PYTHONPATH": path} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(5)
        self.popen.kill()
        self.popen.wait()
        for pid in self.pids():  # they end with it, but that is what is tested here
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(20)
        assert self.popen.stdout
        assert self.popen.stderr
        self.popen.stdout.close()
        self.popen.stderr.close()

    def _read(self) -> None:
        assert self.popen.stderr
        for line in self.popen.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    def logged(self, message: str, times: int = 1) -> list[dict[str, Any]]:
        """Log entries with this message, as soon as there are as many."""

        def found() -> list[dict[str, Any]]:
            return [entry for line in self.lines if (entry := json.loads(line))["message"] == message]

        with self._news:
            assert self._news.wait_for(lambda: len(found()) >= times, 15), f"{message!r} not in {self.lines}"
            return found()

    def pids(self) -> list[int]:
        """Of the workers started so far, dead ones included."""
        started = [line for line in self.lines if '"worker started"' in line]
        return [json.loads(line)["pid"] for line in started]

    def exit_code(self) -> int:
        """How it ended, once all its output is read."""
        code = self.popen.wait(15)
        self._reader.join(15)
        assert not self._reader.is_alive(), "somebody still holds its stderr"
        return code

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.exit_code()


class Running(Process):
    """A service that serves: ``workers`` of them have started."""

    def __init__(self, package: str, state_dir: Path, *flags: str, workers: int = 1, **environ: str) -> None:
        super().__init__(package, "--state-dir", state_dir, "--workers", str(workers), *flags, **environ)
        try:
            [started] = self.logged("started")
            self.grpc, self.http_port = started["grpc"], started["http_port"]
            self.logged("serving", workers)
        except BaseException:
            self.__exit__()
            raise

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.get("/status")[1])
        return document

    def channel(self) -> grpc.Channel:
        """A connection of its own."""
        return grpc.insecure_channel(self.grpc, [("grpc.use_local_subchannel_pool", 1)])

    def health(self, service: str = "") -> str:
        with self.channel() as channel:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5, wait_for_ready=True)
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
