"""What the parts of status make of an answer: services, Redis, somebody who is not who he should be; how it looks."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gatectl.diagnostics import GatectlError
from gatectl.rollout import node_status, service_status
from gatectl.rollout.asking import Round
from gatectl.rollout.certificates import Certificate
from gatectl.rollout.envoy_admin import EnvoyAdmin, Info, Progress, Report
from gatectl.rollout.node_status import Answered, Goal, Kind, NodeStatus, State
from gatectl.rollout.observer import Observer
from gatectl.rollout.redis_status import RedisAdmin, RedisStatus
from gatectl.rollout.service_status import Service
from gatectl.rollout.services import ServiceAdmin, ServiceStatus
from gatectl.rollout.status import Status
from gatectl.rollout.store import Store
from gatectl.rollout.targets import Node
from gatectl.runtime.binaries import redis_server
from gatectl.views.human.status import picture
from tests.gatectl.gateways import free_port

PASSWORD = "hunter2-hunter2"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
READY = ServiceStatus("ext_authz", True, "new", ("old", "new"), {}, 2, 2)


@pytest.mark.parametrize(
    ("now", "under_way", "state", "reason"),
    [
        (READY, False, "synced", None),
        (replace(READY, current="old"), False, "stale", "obeys old, not new"),
        (replace(READY, current=None), False, "stale", "obeys nothing, not new"),
        (replace(READY, current="old"), True, "pending", "obeys old, not new"),
        (replace(READY, ready=False, workers_up=1), False, "not ready", "1 of 2 workers have reported"),
        (
            replace(READY, current="old", rejected={"current": "limits: too many"}),
            False,
            "rejected",
            "obeys old, not new; current refused: limits: too many",
        ),
        (replace(READY, rejected={"next": "a\n\x1b[2J"}), False, "synced", "next refused: a \\x1b[2J"),
    ],
)
def test_what_a_service_says_is_judged_by_what_everybody_should_obey(
    now: ServiceStatus, under_way: bool, state: State, reason: str | None
) -> None:
    admin = ServiceAdmin("ext_authz", "127.0.0.1:1")
    found = service_status.judge(admin, now, Goal("new", under_way))
    admin.close()
    assert (found.state, found.reason) == (state, reason)


def taken(version: str, refused: int = 0) -> Progress:
    """Now, by a clock that counts from 1970 in milliseconds."""
    return Progress(version, refused, int(NOW.timestamp() * 1000))


@pytest.mark.parametrize(
    ("lds", "cds", "warming", "states", "reason"),
    [
        ("new", "new", 2, ("synced", "pending", "synced"), "2 of its clusters warm up"),
        ("new", "old", 0, ("synced", "stale", "synced"), "is at old, not new"),
        ("new", "old+new", 0, ("synced", "stale", "synced"), "is at old+new, not new"),
    ],
)
def test_a_file_that_envoy_has_taken_counts_when_its_clusters_are_warm(
    tmp_path: Path, lds: str, cds: str, warming: int, states: tuple[str, ...], reason: str
) -> None:
    report = Report({"lds": taken(lds), "cds": taken(cds), "rds": taken("new")}, warming, 1)
    answered = Answered(Info("1.40.0", "e", True, 1), report, (), ())
    with closing(EnvoyAdmin("http://127.0.0.1:1")) as admin:
        node = node_status.judge(Node("e", admin), answered, Goal("new", False), Store(tmp_path))
    assert tuple(node.kinds[kind].state for kind in ("lds", "cds", "rds")) == states
    assert node.kinds["cds"].reason == reason
    assert node.kinds["cds"].taken_at == NOW


@contextmanager
def redis_process(port: int, *options: str) -> Iterator[None]:
    command = [str(redis_server()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert any(b"ready to accept" in line.lower() for line in process.stdout)
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_redis_is_told_without_its_password_and_missed_when_it_is_gone() -> None:
    port = free_port()
    with closing(RedisAdmin(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", 2)) as redis:
        with redis_process(port, "--requirepass", PASSWORD, "--maxmemory", "64mb"):
            found = redis.status()
            with closing(RedisAdmin(f"redis://:wrong@127.0.0.1:{port}/0", 2)) as stranger:
                assert stranger.status().reason == "it does not take the password"
        gone = redis.status()
    assert (found.address, found.reason, found.role) == (f"127.0.0.1:{port}", None, "master")
    assert found.latency_ms is not None
    assert found.latency_ms > 0
    assert found.memory_used is not None
    assert (found.version or "").count(".") == 2
    assert (found.memory_max, 0 < found.memory_used < 64 << 20) == (64 << 20, True)
    assert gone == RedisStatus(f"127.0.0.1:{port}", "it cannot be reached")
    assert PASSWORD not in repr((found, gone))


def test_a_redis_that_allows_no_more_than_a_ping_still_answers() -> None:
    port = free_port()
    user = ("on", f">{PASSWORD}", "-@all", "+ping", "+hello", "+client")
    with (
        redis_process(port, "--user", "default", *user),
        closing(RedisAdmin(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", 2)) as redis,
    ):
        found = redis.status()
    assert (found.reason, found.version, found.memory_used) == (None, None, None)
    assert found.latency_ms is not None


@contextmanager
def server_that_says(body: bytes) -> Iterator[str]:
    """The same to everybody; yields ``host:port``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{",
        b'{"version": [], "state": 1, "uptime_current_epoch": "x"}',
        b'{"version": "1", "state": "LIVE", "uptime_current_epoch": "1s", "node": []}',
        b'{"ready": 1, "current": 2, "revisions": 3, "rejected": 4}',
        b'{"ready": true, "current": "r", "revisions": [], "rejected": {}, "workers": "x", "workers_up": 1}',
        b"server.uptime: soon\n",
    ],
)
def test_somebody_who_is_neither_envoy_nor_service_is_unreachable(tmp_path: Path, body: bytes) -> None:
    with (
        server_that_says(body) as address,
        closing(Observer(tmp_path, [f"http://{address}"], [f"ext_authz={address}"])) as eye,
    ):
        status = eye.look()
    assert [part.state for part in (*status.nodes, *status.services)] == ["unreachable"] * 2


def test_a_running_json_whose_redis_makes_no_sense_is_told_without_quoting_it(tmp_path: Path) -> None:
    service = {"grpc": "127.0.0.1:1", "http": "127.0.0.1:1"}
    running = dict.fromkeys(("gateway", "supervisor_started", "url"), "x") | {
        "supervisor_pid": 1,
        "admin": "/nowhere",
        "ext_authz": service,
        "ratelimit_svc": service,
        "redis_url": f"nonsense://:{PASSWORD}@x",
    }
    (tmp_path / "running.json").write_text(json.dumps(running))
    with pytest.raises(GatectlError, match="names no Redis") as caught, closing(Observer(tmp_path)) as eye:
        eye.look()
    assert PASSWORD not in str(caught.value)


def test_who_owes_an_answer_is_not_asked_again() -> None:
    asked, answer = [], threading.Event()

    def slow() -> str:
        asked.append(1)
        assert answer.wait(20)
        return "at last"

    questions: Round[str] = Round(0.05)
    answers = [questions.ask({"slow": slow, "quick": lambda: "here"}) for _ in range(3)]
    assert [(one["slow"].late, one["quick"].value) for one in answers] == [(True, "here")] * 3
    assert len(asked) == 1
    answer.set()
    questions.seconds = 20
    assert questions.ask({"slow": slow})["slow"].value == "at last"


def everything(**changes: Any) -> Status:
    """A gateway in which nothing is missing."""
    taken = NOW - timedelta(minutes=3)
    kinds = {kind: Kind("synced", "new", taken) for kind in ("lds", "cds", "rds")}
    own = Certificate("own", "/etc/cert.pem", "1", ("a.example",), NOW + timedelta(days=100))
    node = NodeStatus("envoy", "/s/admin.sock", None, Info("1.40.0", "e", True, 90000), kinds, (own,))
    status = Status(
        at=NOW,
        state_dir=Path("/s"),
        gateway="small",
        revision="new",
        previous=None,
        applied=None,
        goal=Goal("new", False),
        rollout=None,
        nodes=(node,),
        services=(Service("ext_authz", "127.0.0.1:1", "synced", READY),),
        redis=RedisStatus("127.0.0.1:2", None, 0.21, "9.1.2", "master", 3 << 20, None),
    )
    return replace(status, **changes)


def drawn(status: Status, width: int = 80) -> str:
    out = StringIO()
    Console(file=out, width=width, soft_wrap=True, markup=False, highlight=False).print(picture(status.data()))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_gateway_at_a_glance() -> None:
    assert everything().healthy
    assert drawn(everything()) == (
        "small in /s: new is in force\n"
        "\n"
        "NODE   VERSION  LDS          CDS          RDS          CERTS  UPTIME\n"
        "envoy  1.40.0   SYNCED (3m)  SYNCED (3m)  SYNCED (3m)  100d   1d\n"
        "\n"
        "SERVICE    STATE   REVISION  WORKERS  ADDRESS\n"
        "ext_authz  SYNCED  new       2 of 2   127.0.0.1:1\n"
        "\n"
        "REDIS        STATE  VERSION  ROLE    LATENCY  MEMORY\n"
        "127.0.0.1:2  READY  9.1.2    master  0.2 ms   3.0 MiB of no limit"
    )


def with_node(**changes: Any) -> Status:
    status = everything()
    return replace(status, nodes=(replace(status.nodes[0], **changes),))


def expiring(days: float) -> Status:
    (own,) = everything().nodes[0].certificates
    return with_node(certificates=(replace(own, expires_at=NOW + timedelta(days=days)),))


def with_rds(kind: Kind) -> Status:
    return with_node(kinds={**everything().nodes[0].kinds, "rds": kind})


@pytest.mark.parametrize(
    ("status", "healthy", "said"),
    [
        pytest.param(expiring(29.5), True, ["29d", "! envoy: the own certificate a.example (/etc/cert.pem) expires"]),
        pytest.param(expiring(-0.5), False, ["EXPIRED", "has expired"]),
        pytest.param(with_rds(Kind("rejected", "old", NOW, 1, "bad \x1b[2J")), False, ["REJECTED", "bad \\x1b[2J"]),
        pytest.param(with_rds(Kind("pending", "old", NOW)), False, ["PENDING"]),
        pytest.param(with_rds(Kind("stale", "old", NOW, 0, "is at old")), False, ["STALE", "! envoy: rds is at old"]),
        pytest.param(with_node(info=Info("1.40.0", "e", False, 1)), False, ["it is not live"]),
        pytest.param(with_node(info=None, kinds={}, reason="gone"), False, ["UNREACHABLE", "/s/admin.sock: gone"]),
        pytest.param(everything(redis=RedisStatus("h:1", "gone")), False, ["UNREACHABLE", "! redis: gone"]),
        pytest.param(everything(goal=Goal("new", True)), False, []),
        pytest.param(everything(nodes=(), services=()), False, ["no gateway runs in /s: new is in force"]),
        pytest.param(everything(gateway=None, revision=None), True, ["a gateway in /s: nothing is in force"]),
    ],
)
def test_what_is_wrong_is_seen_and_counts(status: Status, healthy: bool, said: list[str]) -> None:
    text = drawn(status, 200)
    assert [words for words in said if words not in text] == []
    assert "\x1b" not in text
    assert status.healthy is healthy
    assert max(map(len, drawn(status).splitlines())) <= 80
