import contextlib
import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.processes import Process, Running, alive, eventually, stage

CALL = "/toy.Toy/Call"


@contextlib.contextmanager
def gate() -> Iterator[tuple[str, socket.socket]]:
    """A Unix socket: who calls the toy with its path is in flight from accept() until the accepted end is closed."""
    with tempfile.TemporaryDirectory(prefix="toy-") as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/s"  # a socket's path must be short
        listener.bind(path)
        listener.listen()
        listener.settimeout(10)
        yield path, listener


def call(channel: grpc.Channel, request: bytes = b"") -> bytes:
    answer: bytes = channel.unary_unary(CALL)(request, timeout=10, wait_for_ready=True)
    return answer


def refused(channel: grpc.Channel) -> bool:
    error = channel.unary_unary(CALL).future(b"", timeout=5).exception()
    return error is not None and error.code() == grpc.StatusCode.UNAVAILABLE


def metric(service: Running, name: str) -> float:
    families = text_string_to_metric_families(service.get("/metrics")[1].decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def apply(state_dir: Path, revision: str) -> None:
    stage(state_dir, "current", "toy.json", json.dumps({"revision": revision}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_in_flight_is_answered_while_new_ones_are_refused(tmp_path: Path, number: signal.Signals) -> None:
    apply(tmp_path, "a")
    with (
        Running("toy_service", tmp_path, "--drain-seconds", "30") as service,
        gate() as (path, listener),
        service.channel() as channel,
        service.channel() as late,
    ):
        assert service.get("/healthz")[0] == 200
        in_flight = channel.unary_unary(CALL).future(path.encode(), timeout=30, wait_for_ready=True)
        with listener.accept()[0]:
            service.popen.send_signal(number)
            service.logged("draining")
            eventually(lambda: refused(late) and refused(channel))
            assert not in_flight.done()
            assert service.popen.poll() is None
            assert service.get("/healthz")[0] == 503
        assert in_flight.result() == str(service.pids()[0]).encode()
        assert service.exit_code() == 0
        assert not alive(service.pids()[0])


def test_a_call_that_takes_longer_than_the_drain_does_not_keep_the_process(tmp_path: Path) -> None:
    with (
        Running("toy_service", tmp_path, "--drain-seconds", "0.1") as service,
        gate() as (path, listener),
        service.channel() as channel,
    ):
        in_flight = channel.unary_unary(CALL).future(path.encode(), wait_for_ready=True)
        with listener.accept()[0]:
            assert service.stop() == 0
            assert in_flight.exception() is not None


def test_workers_share_the_port_and_a_killed_one_is_replaced_without_losing_its_counts(tmp_path: Path) -> None:
    apply(tmp_path, "a")
    with Running("toy_service", tmp_path, workers=2) as service:
        answered: set[bytes] = set()
        calls = 0

        def both_answered() -> bool:
            nonlocal calls
            with service.channel() as channel:  # the kernel chooses a worker for each connection
                answered.add(call(channel))
                calls += 1
            return len(answered) == 2

        eventually(both_answered)
        assert answered == {str(pid).encode() for pid in service.pids()}
        assert (metric(service, "toy_calls_total"), metric(service, "toy_up")) == (calls, 2)

        victim = service.pids()[0]
        os.kill(victim, signal.SIGSTOP)  # it cannot write another word
        os.kill(victim, signal.SIGKILL)
        [ended] = service.logged("worker ended, starting another")
        assert (ended["pid"], ended["code"]) == (victim, -signal.SIGKILL)
        eventually(lambda: service.status()["workers_up"] == 1, 3)
        status = service.status()
        assert (status["ready"], status["current"], status["revisions"]) == (False, None, [])
        assert service.get("/healthz")[0] == 503
        service.logged("serving", 3)
        eventually(lambda: service.status()["ready"])
        assert service.status()["current"] == "a"
        assert (metric(service, "toy_calls_total"), metric(service, "toy_up")) == (calls, 2)
        assert service.stop() == 0
        assert not any(alive(pid) for pid in service.pids())


def test_workers_end_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with Running("toy_service", tmp_path, workers=2, TMPDIR=str(tmp_path)) as service:
        service.popen.kill()
        service.exit_code()  # their stderr is closed
        eventually(lambda: not any(alive(pid) for pid in service.pids()))
        assert len(service.logged("stopped", 2)) == 2


def test_a_worker_that_cannot_start_is_not_started_over_and_over_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "cannot-start").touch()
    with Process("toy_service", "--state-dir", tmp_path) as service:
        [ended] = service.logged("worker ended, starting another")
        assert ended["code"] == 1
        [why] = service.logged("ended by an error")
        assert why["exception"] == "RuntimeError"
        assert service.stop() == 0
        assert len(service.pids()) == 1
        assert "secret" not in "".join(service.lines)


def test_a_document_that_crashes_its_reader_and_a_task_that_fails_in_the_background_take_nobody_down(
    tmp_path: Path,
) -> None:
    apply(tmp_path, "crash")
    with Running("toy_service", tmp_path) as service, service.channel() as channel:
        assert service.status()["rejected"] == {"current": "RuntimeError"}
        assert service.health() == "NOT_SERVING"
        apply(tmp_path, "a")
        eventually(lambda: service.status()["current"] == "a", 2)
        call(channel, b"lost-task")
        call(channel, b"")  # by now the task has failed and was let go
        [entry] = service.logged("background error")
        assert entry["exception"] == "ValueError"
        assert service.stop() == 0
        assert "secret" not in "".join(service.lines)


def taken(setting: str, address: str) -> str:
    return f"cannot listen on {address} (--{setting}): Address already in use"


@pytest.mark.parametrize("setting", ["listen", "http"])
def test_a_taken_port_ends_with_1_and_a_sentence(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        with Process("toy_service", "--state-dir", tmp_path, f"--{setting}", address) as service:
            assert service.exit_code() == 1
            [line] = service.lines
            assert json.loads(line)["message"] == taken(setting, address)


def test_ipv6_serves_and_neither_garbage_nor_a_second_service_on_its_port_hurts_or_prints(tmp_path: Path) -> None:
    apply(tmp_path, "a")
    with Running("toy_service", tmp_path, "--listen", "[::1]:0") as service:
        assert service.grpc.startswith("[::1]:")
        assert not service.grpc.endswith(":0")
        with socket.create_connection(("::1", int(service.grpc.rpartition(":")[2])), timeout=10) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
            with contextlib.suppress(ConnectionError):
                while stranger.recv(1000):
                    pass
        assert service.health("toy.Toy") == "SERVING"
        # shared among its own workers, yet taken for everybody else
        with Process("toy_service", "--state-dir", tmp_path, "--listen", service.grpc) as second:
            assert second.exit_code() == 1
            assert json.loads(second.lines[0])["message"] == taken("listen", service.grpc)
        assert service.stop() == 0
        assert all(json.loads(line)["level"] == "info" for line in service.lines)


def test_no_state_directory_ends_with_1_and_a_sentence(tmp_path: Path) -> None:
    with Process("toy_service", "--state-dir", tmp_path / "none") as service:
        assert service.exit_code() == 1
        assert json.loads(service.lines[0])["message"] == "the state directory does not exist"
