"""Configuration files of any shape, as hypothesis draws them."""

from typing import Any

from hypothesis import strategies as st

from tests.ratelimit_svc.compat.reference import SECONDS

UNITS = [*SECONDS]


@st.composite
def rate_limits(draw: st.DrawFn) -> dict[str, Any]:
    limit: dict[str, Any] = {"unlimited": True}
    if draw(st.integers(0, 7)):
        limit = {"unit": draw(st.sampled_from(UNITS)), "requests_per_unit": draw(st.integers(0, 4))}
    name = draw(st.sampled_from(["", "", "n1", "n2"]))
    others = [{"name": other} for other in ("n1", "n2") if other != name]
    return limit | ({"name": name} if name else {}) | draw(st.sampled_from([{}, {}, {"replaces": others[:1]}]))


@st.composite
def descriptors(draw: st.DrawFn, depth: int = 3) -> list[dict[str, Any]]:
    names = st.tuples(
        st.sampled_from(["a", "b", "a*", "*b"]), st.sampled_from(["", "", "x", "xy", "x*", "*y", "*", "x*y"])
    )
    made = []
    for key, value in draw(st.lists(names, unique=True, min_size=1, max_size=4)):
        one: dict[str, Any] = {"key": key} | ({"value": value} if value else {})
        if draw(st.integers(0, 3)):
            one["rate_limit"] = draw(rate_limits())
        for word in ("shadow_mode", "quota_mode", "share_threshold"):
            if (word != "share_threshold" or "*" in key + value) and draw(st.integers(0, 3)) == 0:
                one[word] = True
        if depth > 1 and draw(st.booleans()):
            one["descriptors"] = draw(descriptors(depth=depth - 1))
        made.append(one)
    return made
