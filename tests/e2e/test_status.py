"""status beside a whole gateway, once and again and again."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO

import pytest

from gatectl.rollout.observer import Observer
from tests.e2e.conftest import Gateway

pytestmark = pytest.mark.e2e


@contextmanager
def frozen(gateway: Gateway, *words: str) -> Iterator[None]:
    """The processes whose command lines hold a word: connections stay open, nothing answers."""
    pids = [pid for pid, command in gateway.pids().items() if any(word in command for word in words)]
    assert len(pids) >= len(words)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_gateway_that_runs_is_healthy_and_its_password_is_no_part_of_it(gateway: Gateway) -> None:
    result = gateway.gatectl("status", "-o", "json")
    found = json.loads(result.stdout)
    assert found["healthy"] is True
    assert {service["state"] for service in found["services"]} == {"synced"}
    assert (found["redis"]["state"], found["redis"]["role"]) == ("ready", "master")
    assert (found["action"], found["revision"] is not None) == ("up", True)
    password = gateway.running()["redis_url"].partition("://:")[2].partition("@")[0]
    assert len(password) > 20
    assert password not in result.stdout + result.stderr + gateway.gatectl("status").stdout


def test_whoever_is_silent_is_unreachable_and_costs_two_seconds_for_all_together(gateway: Gateway) -> None:
    with frozen(gateway, "envoy/_bin/envoy", "ratelimit_svc", "valkey-server"):
        result = gateway.gatectl("status", "-o", "json", check=False)
        with closing(Observer(gateway.state_dir)) as eye:
            began = time.monotonic()
            assert not eye.look().healthy
            took = time.monotonic() - began
    found = json.loads(result.stdout)
    assert (result.returncode, found["healthy"]) == (5, False)
    assert [node["state"] for node in found["nodes"]] == ["unreachable"]
    assert {one["name"]: one["state"] for one in found["services"]} == {
        "ext_authz": "synced",
        "ratelimit_svc": "unreachable",
    }
    assert found["redis"]["reason"] == "it does not answer within 2 s"
    assert took < 5, "one after the other it would be six seconds"


@contextmanager
def watching(gateway: Gateway, *arguments: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "gatectl", "status", "--watch", "--interval", "0.2"]
    process = subprocess.Popen(
        [*command, "--state-dir", str(gateway.state_dir), *arguments],
        env=gateway.environment | {"TERM": "xterm-256color"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def piped(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def test_watching_prints_one_document_a_line_until_ctrl_c(gateway: Gateway) -> None:
    with watching(gateway, "-o", "json") as process:
        first, second = (json.loads(piped(process.stdout).readline()) for _ in range(2))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert first["healthy"] is second["healthy"] is True
    assert first["at"] < second["at"]
    assert (process.returncode, errors) == (130, "")


def test_watching_prints_one_block_below_the_other_where_nobody_can_draw(gateway: Gateway) -> None:
    blocks = gateway.gatectl("status", "--watch", "--interval", "0.1", "--count", "2").stdout
    assert blocks.count("NODE ") == blocks.count("\nREDIS ") == 2
    assert "\x1b" not in blocks


def test_a_reader_that_goes_away_ends_the_watching_quietly(gateway: Gateway) -> None:
    with watching(gateway) as process:
        piped(process.stdout).readline()
        piped(process.stdout).close()
        process.wait(20)
        assert piped(process.stderr).read() == ""


def test_on_a_terminal_the_picture_is_drawn_over_and_the_cursor_comes_back(gateway: Gateway) -> None:
    terminal, inside = os.openpty()
    with watching(gateway, stdout=inside) as process:
        os.close(inside)
        shown = read_until(terminal, b"", lambda shown: shown.count(b"master") >= 3)
        process.send_signal(signal.SIGINT)
        shown = read_until(terminal, shown, lambda shown: b"\x1b[?25h" in shown)
        assert process.wait(20) == 130
        assert piped(process.stderr).read() == ""
    os.close(terminal)
    assert b"\x1b[?25l" in shown
    assert b"\x1b[1A" in shown, "it goes up again to draw over what is there"


def read_until(terminal: int, shown: bytes, enough: Callable[[bytes], bool]) -> bytes:
    while not enough(shown):
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 65536)
    return shown
