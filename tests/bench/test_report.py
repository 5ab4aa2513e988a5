from datetime import date
from io import StringIO

import httpx
import pytest
from rich.console import Console

from bench import checks, distinct, limits, report, targets, wrk
from bench.report import Checks, Comparison, Cost, Decisions, Kept
from bench.wrk import BenchError, Measurement
from ratelimit_svc.algorithms import ALGORITHMS

OUTPUT = """Running 5s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
Requests/sec:  13166.02
Transfer/sec:      3.04MB
{"requests":39498,"duration_us":3000000,"p50_us":2276,"p99_us":5451,"status_errors":0,"socket_errors":0}
"""


def rounds(*figures: tuple[float, float]) -> list[Measurement]:
    return [Measurement(1000, rate, p99_ms / 2, p99_ms) for rate, p99_ms in figures]


COMPARISON = Comparison(
    bare=rounds((10_000, 4), (8_000, 6), (9_000, 5)),
    full=rounds((2_000, 40), (2_000, 60), (900, 50)),
    connections=32,
    seconds=5,
)


def test_wrk_output_ends_with_the_exact_figures() -> None:
    assert wrk.parse(OUTPUT) == Measurement(39498, 13166.0, 2.276, 5.451)


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("", "no figures"),
        ("Requests/sec: 1\n", "no figures"),
        ("[]\n", "no figures"),
        (OUTPUT.replace('"status_errors":0', '"status_errors":3'), "3 answers were 4xx or 5xx"),
        (OUTPUT.replace('"socket_errors":0', '"socket_errors":2'), "2 connections failed"),
        (OUTPUT.replace('"requests":39498', '"requests":0'), "no request was answered"),
    ],
)
def test_a_round_with_anything_but_good_answers_is_no_result(output: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        wrk.parse(output)


def test_each_figure_is_the_median_of_its_rounds() -> None:
    assert report.middle(COMPARISON.full) == Measurement(3000, 2000, 25, 50)


def test_the_ratio_compares_rounds_measured_side_by_side() -> None:
    assert COMPARISON.ratio == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("rate", "p99_ms", "met"), [(1001, 199, True), (1000, 100, False), (5000, 200, False), (900, 300, False)]
)
def test_the_floor_needs_both_throughput_and_latency(rate: float, p99_ms: float, met: bool) -> None:
    comparison = Comparison(rounds((10_000, 1)), rounds((rate, p99_ms)), 32, 5)
    assert comparison.meets_floor is met
    assert ("NOT met" in report.verdict(comparison)) is not met


CHECKS = Checks(
    [Cost(report.KNOWN_KEY, (40.0, 50.0, 60.0)), Cost(report.KNOWN_TOKEN, (50.0, 30.0, 60.0))],
    routes=1000,
    keys=100_000,
)


@pytest.mark.parametrize(("token", "kept"), [(99.0, True), (100.0, True), (101.0, False)])
def test_a_known_token_may_cost_twice_a_known_key(token: float, kept: bool) -> None:
    measured = Checks([Cost(report.KNOWN_KEY, (50.0,)), Cost(report.KNOWN_TOKEN, (token,))], 1, 1)
    assert measured.meets_ceiling is kept
    assert ("NOT kept" in report.check_verdict(measured)) is not kept


def test_a_check_of_every_kind_is_answered_as_it_should_be() -> None:
    costs = checks.measure(1, lambda _: None, keys=1000, calls=50)
    assert {report.KNOWN_KEY, report.KNOWN_TOKEN} <= {cost.name for cost in costs}
    assert all(cost.micros > 0 for cost in costs)


LIMITS = [
    Decisions("token_bucket", rounds((9_000, 8), (7_000, 9)), rounds((3_000, 20), (5_000, 30))),
    Decisions("quota", rounds((1_000, 1)), rounds((500, 2))),
]


def test_every_algorithm_is_measured_with_and_without_batching() -> None:
    measured = limits.measure(lambda _: None, rounds=1, calls=100)
    assert [each.name for each in measured] == list(ALGORITHMS)
    assert all(m.requests == 100 and m.p99_ms > 0 for each in measured for m in (*each.together, *each.alone))


KEPT = [Kept("users", 200_000, 80.4, 81.0, 134.2), Kept("users, all refused", 200_000, 90.0, 90.0, None)]


def test_values_that_never_come_again_leave_keys_that_end_and_no_more() -> None:
    measured = {
        each.name: each
        for each in distinct.measure(
            lambda _: None, values=1_500, options=["--fallback-counters", "100", "--denied-calls", "20"]
        )
    }
    sizes = {name: each.key_bytes for name, each in measured.items()}
    assert [name for name, size in sizes.items() if size is None] == ["users, all refused", "users, without Redis"]
    assert all(size is None or 100 < size < 400 for size in sizes.values())  # of few keys, tables included
    assert all(0 < each.half_mb < each.resident_mb + 5 for each in measured.values())


def test_the_document_and_the_terminal_show_the_same_rows() -> None:
    document = report.markdown(COMPARISON, CHECKS, LIMITS, KEPT, day=date(2026, 1, 2), wrk_version="4.1.0")
    assert "| bare Envoy | 9,000 | 8,000 to 10,000 | 2.5 ms | 5.0 ms | 1 |" in document
    assert "| full path | 2,000 | 900 to 2,000 | 25.0 ms | 50.0 ms | 0.20 |" in document
    assert "| token, known | 50 µs | 30 to 60 | 1.00 |" in document
    assert "| token_bucket | 8,000 | 8.5 ms | 4,000 | 25.0 ms |" in document
    assert "| users | 200,000 | 80 MB | 81 MB | 134 bytes |" in document
    assert "on 2026-01-02" in document
    screen = StringIO()
    Console(file=screen, width=120).print(*report.tables(COMPARISON, CHECKS, LIMITS, KEPT))
    for line in (
        *report.rows(COMPARISON),
        *report.check_rows(CHECKS),
        *report.limit_rows(LIMITS),
        *report.kept_rows(KEPT),
    ):
        assert all(cell in screen.getvalue() for cell in line)


def test_bare_envoy_serves_the_backend_and_both_are_gone_afterwards() -> None:
    with targets.backend() as upstream, targets.bare_envoy(upstream) as bare:
        assert httpx.get(bare.url, trust_env=False).json()["id"] == "t-1001"
    for url in (bare.url, f"http://{upstream}/healthz"):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)


def test_an_api_key_is_not_part_of_what_a_target_looks_like() -> None:
    assert "gk_secret" not in repr(targets.Target("full path", "http://127.0.0.1:1/", api_key="gk_secret"))
