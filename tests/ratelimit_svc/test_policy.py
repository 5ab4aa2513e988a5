"""What is a policy, and what is refused as none."""

import pytest
from pydantic import ValidationError

from ratelimit_svc.policy import Limit, Rate


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "../../etc/passwd", "", "a\0b", "\ud800"])
def test_a_quota_in_a_time_zone_that_does_not_exist_is_refused_before_anybody_is_counted_by_it(zone):
    rate = Rate(requests=1, window_ms=86_400_000, period="day")
    assert Limit(algorithm="quota", rates=(rate,), per=("user",), time_zone="Europe/Berlin").rates == (rate,)
    with pytest.raises(ValidationError, match=r"time.zone"):
        Limit(algorithm="quota", rates=(rate,), per=("user",), time_zone=zone)
