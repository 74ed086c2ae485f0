"""What going back loses, as it is said."""

from dataclasses import replace

import pytest

from bot.model import Ceiling, Change, Loss, LossQuality, Measure, Unit
from bot.views import loss as said
from tests.bot.views.examples import MEASURED, at

NOW = at("03:02")
ALL = replace(
    MEASURED, units=(*MEASURED.units, Unit("orders", 41, Change.CHANGED), Unit("orders", 3, Change.RETURNS))
)
CEILING = Ceiling(
    3_120.0,
    (
        Unit("orders", 400),
        Unit("refunds", 20),
        Unit("orders", 80, Change.CHANGED),
        Unit("orders", 10, Change.RETURNS),
    ),
)


def test_what_goes_and_what_comes_back_stand_apart() -> None:
    assert said.loses(ALL, NOW) == (
        "*Loses since 02:45:* 212 new orders, 9 refunds; 41 changed orders go back, 3 deleted return"
    )


def test_how_sure_it_is_says_when_how_fast_and_how_much_is_covered() -> None:
    assert said.how_sure(ALL, CEILING, 900.0, NOW) == (
        "Measured 03:02, 13/min. Covered: up to 400 new, 80 changed, 10 returning orders, "
        "20 refunds · RPO 15 min"
    )


def test_a_figure_of_zero_is_left_out_beside_others() -> None:
    some = replace(ALL, units=(Unit("orders", 212), Unit("refunds", 0)))
    assert said.loses(some, NOW) == "*Loses since 02:45:* 212 new orders"


def test_only_the_limits_of_what_is_shown_stand_beside_it() -> None:
    some = replace(ALL, units=(Unit("orders", 212), Unit("refunds", 0)))
    assert "Covered: up to 400 new orders ·" in said.how_sure(some, CEILING, 900.0, NOW)


def test_nothing_differs_only_where_everything_was_compared() -> None:
    same = replace(ALL, units=(Unit("orders", 0), Unit("orders", 0, Change.CHANGED), Unit("refunds", 0)))
    assert said.loses(same, NOW) == "*Nothing differs from 02:45* in orders, refunds"
    unsure = replace(same, quality=LossQuality.UNKNOWN, basis="carts: no such function: near")
    assert said.loses(unsure, NOW) == ("*NOT KNOWN what is lost* since 02:45: carts: no such function: near")


def test_what_is_known_stands_before_what_is_not() -> None:
    some = replace(MEASURED, quality=LossQuality.UNKNOWN, basis="sessions: not finished after 10 s")
    assert said.loses(some, NOW) == (
        "*Loses since 02:45:* 212 new orders, 9 refunds. More is *NOT KNOWN*: "
        "sessions: not finished after 10 s"
    )


@pytest.mark.parametrize(
    "loss",
    [
        Loss(LossQuality.UNKNOWN),
        Loss(LossQuality.UNKNOWN, None, (Unit("orders", 0),)),
        Loss(LossQuality.MEASURED),
        Loss(LossQuality.ESTIMATED),
    ],
)
def test_what_is_not_known_never_looks_like_zero(loss: Loss) -> None:
    for sentence in (said.loses(loss, NOW), said.in_short(loss, NOW), said.removed(loss, NOW)):
        assert "0" not in sentence.replace("03:02", "")
        assert "not known" in sentence.lower()


def test_no_data_touched_has_nothing_to_count() -> None:
    untouched = Loss(LossQuality.NONE)
    assert said.cost(untouched, Ceiling(0.0), 900.0, NOW) == ["No data is touched"]


def test_a_window_without_figures_is_said_as_time() -> None:
    timed = replace(MEASURED, units=())
    assert said.loses(timed, NOW) == "*Loses since 02:45:* 17 min of changes"
    assert "Covered: up to 52 min of changes" in said.how_sure(timed, Ceiling(3_120.0), None, NOW)


def test_under_a_minute_no_growth_is_said() -> None:
    young = replace(MEASURED, since=at("03:01:30"))
    assert "/min" not in said.how_sure(young, None, None, NOW)


def test_bytes_are_said_as_bytes_and_without_growth() -> None:
    written = replace(MEASURED, units=(Unit("WAL", 960, measure=Measure.BYTES),))
    assert said.loses(written, NOW) == "*Loses since 02:45:* 960 B of new WAL"
    assert "/min" not in said.how_sure(written, None, None, NOW)


def test_figures_without_a_limit_are_no_change() -> None:
    commits = (Unit("commits", 1), Unit("authors", 1, limits=False), Unit("files", 2, limits=False))
    assert said.figures(commits) == "1 new commit, 1 author, 2 files"


def test_of_many_figures_the_largest_are_told() -> None:
    units = [Unit(f"t{n}", n) for n in range(1, 8)]
    assert said.figures(units) == "4 new t4, 5 t5, 6 t6, 7 t7 and 3 more figures"


def test_an_approval_covers_the_figures_that_it_tells() -> None:
    units = [Unit(f"t{n}", n) for n in range(1, 8)]
    ceiling = Ceiling(None, tuple(replace(unit, count=unit.count * 2) for unit in units))
    assert said.covered(ceiling, units) == "8 new t4, 10 t5, 12 t6, 14 t7"


def test_several_figures_of_one_name_are_told_in_the_plural() -> None:
    ceiling = Ceiling(None, (Unit("payments", 5015), Unit("payments", 1, Change.RETURNS)))
    assert said.covered(ceiling) == "5,015 new, 1 returning payments"


def test_afterwards_it_is_said_as_done() -> None:
    assert said.removed(ALL, NOW) == (
        "Removed 212 new orders, 9 refunds; 41 changed orders went back, 3 deleted returned"
    )


def test_an_estimate_and_a_declaration_say_what_they_are() -> None:
    about = replace(MEASURED, quality=LossQuality.ESTIMATED, basis="2 of 100 parts")
    assert said.loses(about, NOW) == "*Loses since 02:45:* about 212 new orders, 9 refunds"
    assert said.how_sure(about, None, None, NOW) == "Estimated 03:02 (2 of 100 parts), 13/min"
    declared = Loss(LossQuality.DECLARED, at("02:45"), basis="a day of clicks (web: caches)")
    assert said.removed(declared, NOW).startswith("Removed")
