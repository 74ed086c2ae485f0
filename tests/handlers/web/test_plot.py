import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.web.plot import THINNEST_PERCENT, WIDEST_PERCENT, bars

numbers = st.floats(-1e12, 1e12) | st.integers(-(10**12), 10**12)


def test_the_larger_value_has_the_longer_bar_in_proportion() -> None:
    before, after = bars(41, 20.5) or pytest.fail("no bars")
    assert (before.x, before.width) == (0.0, WIDEST_PERCENT)
    assert after.width == WIDEST_PERCENT / 2


def test_a_zero_is_seen() -> None:
    _, after = bars(41, 0) or pytest.fail("no bars")
    assert after.width == THINNEST_PERCENT


def test_a_value_below_zero_goes_to_the_left_of_the_common_zero() -> None:
    before, after = bars(-1.0, 1.0) or pytest.fail("no bars")
    assert (before.x, before.end) == (0.0, WIDEST_PERCENT / 2)
    assert (after.x, after.end) == (WIDEST_PERCENT / 2, WIDEST_PERCENT)


@pytest.mark.parametrize("value", [None, "ok", math.nan, math.inf])
def test_only_numbers_are_drawn(value: float | str | None) -> None:
    assert bars(value, 1.0) is None
    assert bars(1.0, value) is None


@given(numbers, numbers)
def test_every_bar_leaves_room_for_its_figure(before: float, after: float) -> None:
    for bar in bars(before, after) or pytest.fail("no bars"):
        assert bar.x >= 0
        assert bar.width >= THINNEST_PERCENT
        assert bar.end <= WIDEST_PERCENT + THINNEST_PERCENT + 0.02
