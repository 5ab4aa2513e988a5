"""The load generator wrk: found or installed, run once, its figures read."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("report.lua")
GRACE_SECONDS = 20
"""What wrk may take beyond the measured time, to connect and to end."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says why, for people."""


@dataclass(frozen=True)
class Measurement:
    """One round: requests per second, and latencies in milliseconds."""

    requests: int
    rate: float
    p50_ms: float
    p99_ms: float


def find() -> str:
    """Path of wrk. Where it is missing and this is root on Debian, the package is installed. Raises BenchError."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "wrk"]):
            subprocess.run(["apt-get", *step], check=False, stdout=subprocess.DEVNULL)
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError("wrk is not installed: install the package `wrk` and run this again")
    return wrk


def version(wrk: str) -> str:
    """Version of the wrk at this path, ``unknown`` when it does not say."""
    # wrk -v ends with 1, having printed what was asked for
    output = subprocess.run([wrk, "-v"], check=False, capture_output=True, text=True, timeout=GRACE_SECONDS).stdout
    match = re.match(r"wrk (?:debian/)?(\S+)", output)
    return match[1] if match else "unknown"


def measure(wrk: str, url: str, *, api_key: str | None, connections: int, seconds: int) -> Measurement:
    """Load ``url`` with GETs over kept-alive connections. Raises BenchError unless every request was answered well."""
    command = [wrk, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    environ = os.environ | ({"BENCH_API_KEY": api_key} if api_key else {})
    try:
        ended = subprocess.run(
            [*command, "--timeout", "5s", "--script", str(SCRIPT), url],
            check=False,
            capture_output=True,
            text=True,
            env=environ,
            timeout=seconds + GRACE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"wrk did not end {GRACE_SECONDS} s after its time") from None
    if ended.returncode != 0:
        raise BenchError(f"wrk failed: {ended.stderr.strip() or ended.stdout.strip()}")
    return parse(ended.stdout)


def parse(output: str) -> Measurement:
    """Read the JSON line that report.lua ends wrk's output with. Raises BenchError on any failed request."""
    try:
        figures = json.loads(output.strip().rpartition("\n")[2])
        requests, seconds = int(figures["requests"]), int(figures["duration_us"]) / 1e6
        p50_ms, p99_ms = int(figures["p50_us"]) / 1e3, int(figures["p99_us"]) / 1e3
        refused, broken = int(figures["status_errors"]), int(figures["socket_errors"])
    except (ValueError, KeyError, TypeError):
        raise BenchError("wrk printed no figures") from None
    if refused or broken:
        raise BenchError(f"{refused} answers were 4xx or 5xx and {broken} connections failed, of {requests} requests")
    if requests == 0 or seconds <= 0:
        raise BenchError("no request was answered")
    return Measurement(requests, requests / seconds, p50_ms, p99_ms)
