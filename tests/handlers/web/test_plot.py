import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.web.plot import HIGHEST_PERCENT, THINNEST_PERCENT, WIDEST_PERCENT, bars, series
from tests.bot.stories import later

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


# Over time -------------------------------------------------------------------------------------


def test_dots_stand_in_the_order_of_time_and_as_high_as_their_values() -> None:
    drawn = series([(later(100), 60.0), (later(0), 30.0), (later(50), 0.0)], None) or pytest.fail("no dots")
    assert [(dot.x, dot.y) for dot in drawn.dots] == [
        (0.0, 100.0 - HIGHEST_PERCENT / 2),
        (50.0, 100.0),
        (100.0, 100.0 - HIGHEST_PERCENT),
    ]
    assert drawn.objective_y is None


def test_an_objective_has_its_place_on_the_same_scale_and_what_is_over_it_is_marked() -> None:
    drawn = series([(later(0), 30.0), (later(100), 61.0)], 60.0) or pytest.fail("no dots")
    assert drawn.objective_y == pytest.approx(100.0 - 60.0 / 61.0 * HIGHEST_PERCENT, abs=0.01)
    assert [dot.is_over for dot in drawn.dots] == [False, True]


def test_one_dot_stands_in_the_middle_and_no_values_are_no_plot() -> None:
    drawn = series([(later(0), 0.0)], 0.0) or pytest.fail("no dots")
    assert (drawn.dots[0].x, drawn.dots[0].y) == (50.0, 100.0)
    assert series([], 60.0) is None
