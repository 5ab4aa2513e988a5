"""What a change of the algorithm, or of what is usual for it, lets through."""

from types import SimpleNamespace

import pytest

from gatectl.changes.limits import limit_openings
from ratelimit_svc.policy import Limit, Policy, Rate

NOWHERE = SimpleNamespace(routes={})
ANOTHER_WAY = "it counts in another way, and starts from zero"
MORE = "it admits more than before, at once or over time"


def policy(algorithm: str, requests: int, window_ms: int, burst: int | None = None) -> Policy:
    rate = Rate(requests=requests, window_ms=window_ms, burst=burst)
    return Policy(revision="r", gateway="g", limits={"l": Limit(algorithm=algorithm, rates=(rate,), per=("user",))})


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (("fixed_window", 100, 60_000), ("concurrency", 5, 60_000), ANOTHER_WAY),
        (("concurrency", 5, 60_000), ("fixed_window", 5, 60_000), ANOTHER_WAY),
        (("fixed_window", 100, 60_000), ("token_bucket", 100, 60_000), None),
        (("leaky_bucket", 5000, 1000, 1), ("leaky_bucket", 5000, 1000), MORE),
        (("leaky_bucket", 500, 1000, 1), ("leaky_bucket", 500, 1000), None),
        (("leaky_bucket", 5000, 1000), ("leaky_bucket", 5000, 1000, 5), None),
    ],
)
def test_a_limit_that_holds_back_less_is_told(was, now, told):
    opened = list(limit_openings(policy(*was), policy(*now), NOWHERE, NOWHERE))
    assert opened == ([('rate limit "l"', told)] if told else [])
