"""What the control plane, Envoy and whoever runs them may rely on in both services, seen from outside."""

import itertools
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contracts.worlds import KEY, PASSWORD, WORLDS, Redis, World, running_redis
from tests.serving.processes import Process, Running, eventually, stage

each_service = pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.package, scope="module")
revisions = (f"r{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with running_redis() as running:
        yield running


class Service(Running):
    """One of the two as a process, and the state directory it follows."""

    def __init__(self, world: World, redis: Redis, state_dir: Path, workers: int = 1) -> None:
        self.world, self.state_dir = world, state_dir
        secret = {f"{world.package.upper()}_REDIS_URL": redis.url}
        super().__init__(world.package, state_dir, *world.flags, workers=workers, **secret)

    def show(self, slot: str, revision: str) -> None:
        stage(self.state_dir, slot, self.world.policy_file, self.world.policy(revision))

    def applied(self) -> str:
        """A new revision that is in force."""
        revision = next(revisions)
        self.show("current", revision)
        eventually(lambda: self.status()["current"] == revision)
        return revision

    def judges_by(self, revision: str) -> bool:
        """Asked on several connections, so that more than one worker is likely to answer."""
        answers = set()
        for _ in range(4):
            with self.channel() as channel:
                answers.add(self.world.judges_by(channel, revision))
        [answer] = answers
        return answer

    def assert_json_without_credentials(self) -> None:
        assert all({"time", "level", "logger", "message"} <= json.loads(line).keys() for line in self.lines)
        assert PASSWORD not in "".join(self.lines)
        assert KEY not in "".join(self.lines)


@pytest.fixture(scope="module")
def service(world: World, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(world, redis, tmp_path_factory.mktemp("state"), workers=2) as running:
        yield running
        assert running.stop() == 0
        running.assert_json_without_credentials()


@each_service
def test_without_a_policy_it_is_not_serving_and_with_one_it_is(service: Service, world: World) -> None:
    if service.status()["current"] is None:  # the first of the module's tests to run here, in any order
        assert service.health() == service.health(world.grpc_service) == "NOT_SERVING"
        assert service.get("/healthz")[0] == 503
        assert not service.judges_by("r0")
    service.applied()
    eventually(lambda: service.health() == service.health(world.grpc_service) == "SERVING")
    assert service.get("/healthz")[0] == 200


@each_service
def test_metrics_are_prometheus_text_and_count_calls_of_all_workers(service: Service, world: World) -> None:
    def counted() -> float:
        status, body = service.get("/metrics")
        assert status == 200
        families = list(text_string_to_metric_families(body.decode()))
        names = {"ext_authz": "ext_authz_decisions_total", "ratelimit_svc": "ratelimit_calls_total"}
        samples = [sample for family in families for sample in family.samples]
        assert all("pid" not in sample.labels for sample in samples)
        return sum(sample.value for sample in samples if sample.name == names[world.package])

    revision = service.applied()
    before = counted()
    assert service.judges_by(revision)
    assert counted() == before + 4


@each_service
def test_a_swapped_symlink_is_in_force_within_a_second(service: Service) -> None:
    old = service.applied()
    new = next(revisions)
    started = time.monotonic()
    service.show("current", new)
    eventually(lambda: service.status()["current"] == new)
    assert time.monotonic() - started < 1
    assert service.judges_by(new)
    assert service.judges_by(old)  # Envoy may not have moved yet
    assert {old, new} <= set(service.status()["revisions"])


@each_service
def test_next_is_loaded_before_it_is_in_force(service: Service) -> None:
    old, new = service.applied(), next(revisions)
    service.show("next", new)
    eventually(lambda: new in service.status()["revisions"])
    assert service.status()["current"] == old
    assert service.judges_by(new)
    service.show("current", new)
    (service.state_dir / "next").unlink()
    eventually(lambda: service.status()["current"] == new)
    assert service.judges_by(old)


@each_service
@pytest.mark.parametrize("slot", ["next", "current"])
def test_an_unknown_format_is_refused_says_why_and_leaves_the_last_good_one_in_force(
    service: Service, world: World, slot: str
) -> None:
    good = service.applied()
    written = json.loads(world.policy(PASSWORD))
    document = {**written, "format": 99, "gateway": [PASSWORD]}
    stage(service.state_dir, slot, world.policy_file, json.dumps(document))
    reason = eventually(lambda: service.status()["rejected"]).get(slot)
    assert f"format: Input should be {written['format']}" in reason
    assert PASSWORD not in reason
    assert service.status()["current"] == good
    assert service.judges_by(good)
    assert service.health() == "SERVING"
    if slot == "next":
        (service.state_dir / slot).unlink()
    else:
        service.show(slot, good)
    eventually(lambda: service.status()["rejected"] == {})


@each_service
def test_status_names_the_service_its_address_and_its_workers(service: Service, world: World) -> None:
    status = service.status()
    assert (status["service"], status["address"]) == (world.package, service.grpc)
    assert (status["workers"], status["workers_up"]) == (2, 2)
    assert len(service.pids()) == 2


@each_service
def test_a_call_in_flight_is_answered_after_sigterm_and_new_ones_are_refused(
    world: World, redis: Redis, tmp_path: Path
) -> None:
    with Service(world, redis, tmp_path) as service, service.channel() as channel:
        revision = service.applied()
        assert world.judges_by(channel, revision)
        with redis.withheld():
            in_flight = world.ask_redis(channel, revision)
            assert redis.asked.wait(5)
            service.popen.send_signal(signal.SIGTERM)
            assert not in_flight.done()
            assert world.is_answer_without_redis(in_flight.result())
            assert service.exit_code() == 0
        with service.channel() as late:
            assert world.ask_redis(late, revision).exception(1) is not None
        service.assert_json_without_credentials()


@each_service
def test_bad_settings_exit_64_with_a_sentence_for_each_and_no_credential(world: World) -> None:
    variable = f"{world.package.upper()}_REDIS_URL"
    flags = ["--listen", "9191", "--workers", "none", "--reload", f"x{PASSWORD}"]
    with Process(world.package, *flags, **{variable: f"redis://:{PASSWORD}@host:port"}) as process:
        assert process.exit_code() == 64
        name = world.package.replace("_", "-")
        assert [line.split()[:2] for line in process.lines] == [
            [f"{name}:", what] for what in ("--reload", "--listen", "--state-dir", "--workers", variable)
        ]
        assert PASSWORD not in "".join(process.lines)
