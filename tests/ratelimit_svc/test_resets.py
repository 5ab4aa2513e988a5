"""When a client who was let in may have everything again: what X-RateLimit-Reset is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit_svc.algorithms import ALGORITHMS
from ratelimit_svc.store import Charge, Terms, fits

T0 = 1_800_000_000_000


@pytest.mark.parametrize("name", ["token_bucket", "leaky_bucket", "sliding_log"])
@given(
    requests=st.integers(1, 30),
    window=st.integers(1, 80),
    earlier=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=6),
    hits=st.integers(0, 30),
)
def test_after_the_reset_a_counter_is_as_good_as_new_and_not_a_millisecond_earlier(
    name, requests, window, earlier, hits
):
    algorithm, now, state = ALGORITHMS[name], T0, None
    asked = Charge("k", Terms(name, requests, window, 12 if name == "leaky_bucket" else None), hits)
    for step, before in earlier:
        now += step
        state = algorithm.roll(asked, state, now)
        if fits(before, algorithm.room(asked, state, now)):
            state = algorithm.add(asked, state, now, before)
    state = algorithm.roll(asked, state, now)
    if not fits(hits, algorithm.room(asked, state, now)):
        return
    reset = algorithm.reset_ms(asked, state, now)
    if hits:
        state = algorithm.add(asked, state, now, hits)

    def is_new_after(ms: int) -> bool:
        rolled = algorithm.roll(asked, state, now + ms)
        return len(rolled) == 2 if name == "sliding_log" else rolled[1] == 0

    assert is_new_after(reset)
    assert reset == 1 or not is_new_after(reset - 1)


@pytest.mark.parametrize(
    ("name", "reset"),
    [("sliding_log", 60_000), ("token_bucket", 6000), ("leaky_bucket", 6000)],
)
async def test_the_first_request_is_told_when_it_is_forgotten(server, open_store, name, reset):
    store = await open_store(server.url)
    key = f"gatectl:rl:{{first}}:{name}"
    await server.command("DEL", key)
    [reading] = (await store.decide([Charge(key, Terms(name, 10, 60_000), 1)])).readings
    assert reading.until_ms == reset
