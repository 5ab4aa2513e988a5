"""A limit that is called idle never refuses a request that the other one would have let through."""

from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from gatectl.lint.rules.tighter import never_first
from gatectl.spec.model import RateLimit
from gatectl.spec.model.allowance import Allowance
from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.store import Charge, Terms


def limit(
    requests: int,
    window: int,
    algorithm: Any = "sliding_window",
    per: tuple[str, ...] = ("user",),
    routes: tuple[str, ...] | None = None,
    roles: tuple[str, ...] = (),
) -> RateLimit:
    when = {"role": roles} if roles else {}
    return RateLimit.model_construct(
        name="x", per=per, limit=(Allowance(requests, window),), algorithm=algorithm, routes=routes, when=when
    )


class Request(NamedTuple):
    gap: int
    user: str
    route: str
    role: str


REQUESTS = st.lists(
    st.builds(
        Request,
        st.sampled_from([0, 0, 0, 100, 250, 900, 1000, 2500]),
        st.sampled_from(["u", "v"]),
        st.sampled_from(["r", "r", "n"]),
        st.sampled_from(["a", "a", "b"]),
    ),
    max_size=60,
)
LIMITS = st.builds(
    limit,
    st.integers(0, 9),
    st.sampled_from([1000, 1500, 2000, 3000, 4000, 6000]),
    st.sampled_from(["sliding_window", "fixed_window"]),
    st.sampled_from([("user",), ("user", "route"), ("role",), ("route", "user", "role")]),
    st.sampled_from([None, None, ("r",), ("r", "n"), ()]),
    st.sampled_from([(), (), ("a",), ("b", "a")]),
)


class Counters:
    """One limit as the limiter counts it."""

    def __init__(self, one: RateLimit) -> None:
        self._spec = one
        self._algorithm = ALGORITHMS[one.algorithm]
        self._charge = Charge("", Terms(one.algorithm, *one.limit[0][:2]), 1)
        self._states: dict[tuple[str, ...], Any] = {}

    def has_room(self, request: Request, now: int) -> bool | None:
        """None when it does not count this request."""
        one = self._spec
        if (one.routes is not None and request.route not in one.routes) or (
            one.when and request.role not in one.when["role"]
        ):
            return None
        self._key = tuple(getattr(request, dimension) for dimension in one.per)
        self._now = now
        state = self._algorithm.roll(self._charge, self._states.get(self._key), now)
        self._states[self._key] = state
        return self._algorithm.room(self._charge, state, now) >= 1

    def charge(self) -> None:
        self._states[self._key] = self._algorithm.add(self._charge, self._states[self._key], self._now, 1)


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], max_examples=60)
@given(LIMITS, LIMITS, REQUESTS)
@example(
    limit(1, 1000, "fixed_window"), limit(1, 1000), [Request(*one, "u", "r", "a") for one in ((900,), (100,), (0,))]
)
def test_an_idle_limit_never_refuses_first(first: RateLimit, second: RateLimit, requests: list[Request]) -> None:
    pairs = list(never_first([first, second]))
    assume(pairs)
    loose, tight = (Counters((first, second)[index]) for index in pairs[0])
    now = 0
    for request in requests:
        now += request.gap
        rooms = [(one, one.has_room(request, now)) for one in (loose, tight)]
        assert rooms[0][1] is not False or rooms[1][1] is False, (first, second, now)
        if all(room is not False for _, room in rooms):
            for one, room in rooms:
                if room:
                    one.charge()


BASE = limit(10, 1000)


@pytest.mark.parametrize(
    ("tight", "loose", "told"),
    [
        (BASE, limit(10, 1000), True),
        (BASE, limit(9, 1000), False),
        (BASE, limit(10, 1000, per=("user", "route")), True),
        (limit(10, 1000, per=("user", "route")), limit(10, 1000), False),
        (BASE, limit(10, 1000, routes=("r",)), True),
        (BASE, limit(10, 1000, routes=()), False),
        (limit(10, 1000, routes=("r",)), limit(10, 1000), False),
        (limit(10, 1000, routes=("r",)), limit(99, 1000, routes=("r", "n")), False),
        (limit(10, 1000, routes=("n", "r")), limit(99, 1000, routes=("r",)), True),
        (BASE, limit(10, 1000, roles=("a",)), True),
        (limit(10, 1000, roles=("a",)), limit(99, 1000), False),
        (limit(10, 1000, roles=("a",)), limit(99, 1000, roles=("a", "b")), False),
        (limit(10, 1000, roles=("a", "b")), limit(99, 1000, roles=("a",)), True),
        (BASE, limit(109, 10_000), False),
        (BASE, limit(110, 10_000), True),
        (BASE, limit(100, 10_000, "fixed_window"), True),
        (BASE, limit(99, 10_000, "fixed_window"), False),
        (BASE, limit(20, 500), True),
        (BASE, limit(19, 500), False),
        (BASE, limit(10, 500, "fixed_window"), True),
        (BASE, limit(9, 500, "fixed_window"), False),
        (BASE, limit(30, 1500, "fixed_window"), True),
        (BASE, limit(29, 1500, "fixed_window"), False),
        (limit(10, 1000, "fixed_window"), limit(20, 1000), True),
        (limit(10, 1000, "fixed_window"), limit(19, 1000), False),
    ],
)
def test_what_is_told_of_two_limits(tight: RateLimit, loose: RateLimit, told: bool) -> None:
    assert ((1, 0) in list(never_first([tight, loose]))) is told
    assert ((0, 1) in list(never_first([loose, tight]))) is (told and loose != tight)


def test_of_two_limits_that_are_the_same_only_the_later_one_is_told() -> None:
    assert list(never_first([BASE, limit(10, 1000)])) == [(1, 0)]
