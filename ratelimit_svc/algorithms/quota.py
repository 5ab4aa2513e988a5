"""Quota: at most ``requests`` in each day, week or month of the calendar, as clocks in ``time_zone`` have it.

A fixed window whose length is the calendar's: days have 23 or 25 hours when the clocks change, months 28 to 31 days.
A stretch of time as long as the shortest period (a day of 23 hours, where clocks are changed) can admit
``2 * requests``, around midnight, and no more; a longer one that has a whole short period in it, three times.

State: (start of the period, used).
"""

from ratelimit_svc.algorithms import fixed_window
from ratelimit_svc.algorithms.calendar import period_at
from ratelimit_svc.algorithms.protocol import State
from ratelimit_svc.store import Charge


def roll(charge: Charge, state: State | None, now_ms: int) -> State:
    """The count of the period that ``now_ms`` is in; of the stored one if the clock went back behind it."""
    start, _ = _period(charge, now_ms)
    return state if state is not None and state[0] >= start else (start, 0)


room = fixed_window.room
"""What is left of the period."""
add = fixed_window.add
"""Counts hits in the period."""


def reset_ms(charge: Charge, state: State, now_ms: int) -> int:
    """Until the period ends."""
    return _period(charge, state[0])[1] - now_ms


wait_ms = reset_ms


def _period(charge: Charge, time_ms: int) -> tuple[int, int]:
    assert charge.terms.period is not None
    return period_at(charge.terms.period, charge.terms.time_zone, time_ms)
