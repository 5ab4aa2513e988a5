"""The console script with a directory of configuration files: starts, follows them, refuses bad ones, ends."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc

from tests.ratelimit_svc.conftest import Server
from tests.serving.processes import Process, Running, eventually

OK, OVER = rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT


class Compat(Running):
    """The service; its directory of files stands in the environment."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        self.flags = ("--redis-url", redis_url)
        Process.__init__(self, "ratelimit_svc", *self.flags, RATELIMIT_SVC_COMPAT_CONFIG=str(directory))
        try:
            [started] = self.logged("started")
            self.grpc, self.http_port = started["grpc"], started["http_port"]
            self.logged("serving")
        except BaseException:
            self.__exit__()
            raise


def swap(directory: Path, name: str, requests: object) -> None:
    """A new generation of a mounted ConfigMap."""
    generation = directory / f"..{name}"
    generation.mkdir()
    text = f"domain: {name}\ndescriptors: [{{key: a, rate_limit: {{unit: day, requests_per_unit: {requests}}}}}]"
    (generation / "c.yaml").write_text(text)
    (directory / "..new").symlink_to(generation.name)
    (directory / "..new").replace(directory / "..data")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    swap(tmp_path, "first", 1)
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    return tmp_path


@contextlib.contextmanager
def asking(service: Compat) -> Iterator[rls_pb2_grpc.RateLimitServiceStub]:
    with service.channel() as channel:
        yield rls_pb2_grpc.RateLimitServiceStub(channel)


def ask(stub: rls_pb2_grpc.RateLimitServiceStub, domain: str) -> object:
    request = rls_pb2.RateLimitRequest(domain=domain)
    request.descriptors.add().entries.add(key="a", value="x")
    return stub.ShouldRateLimit(request, timeout=5, wait_for_ready=True).overall_code


@pytest.mark.parametrize("server", ["valkey"], indirect=True, scope="session")
def test_files_are_obeyed_followed_and_kept_when_the_next_ones_are_bad(directory: Path, server: Server) -> None:
    with Compat(directory, server.url) as service, asking(service) as stub:
        assert service.health() == "SERVING"
        asked = [ask(stub, "first") for _ in range(3)]
        assert asked[-2:] == [OVER, OVER]
        swap(directory, "second", 0)
        eventually(lambda: ask(stub, "second") == OVER)
        revision = service.status()["current"]
        swap(directory, "third", "many")
        eventually(lambda: service.status()["rejected"])
        reason = service.status()["rejected"]["current"]
        assert reason == "c.yaml:2:67: requests_per_unit is a whole number from 0 to 4294967295"
        assert service.logged("policy refused, the last good one stays in force")[0]["reason"] == reason
        assert service.status()["current"] == revision
        assert ask(stub, "second") == OVER
        metrics = service.get("/metrics")[1].decode()
        assert 'ratelimit_config_loads_total{result="refused"} 1.0' in metrics
        assert 'ratelimit_rule_hits_total{kind="over_limit",rule="first.a"}' in metrics
        swap(directory, "fourth", 7)
        eventually(lambda: not service.status()["rejected"])
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("file", "reasons"),
    [
        ("none.txt", ["the configuration files cannot be read: there is none"]),
        (
            "bad.yaml",
            [
                'bad.yaml:1:1: "nonsense" is no word of the configuration',
                "bad.yaml:1:1: the domain must not be missing or empty",
            ],
        ),
    ],
)
def test_it_does_not_start_on_files_it_cannot_obey(tmp_path: Path, file: str, reasons: list[str]) -> None:
    (tmp_path / file).write_text("nonsense: 1")
    with Process("ratelimit_svc", "--compat-config", tmp_path) as process:
        assert process.exit_code() == 1
        assert [entry["reason"] for line in process.lines if "reason" in (entry := json.loads(line))] == reasons
