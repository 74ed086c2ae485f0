"""How several losses are one, how much an approval covers, and when it no longer does."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.loss import WORSE, ceiling_of, erase_again, joint, noun, outgrown, people_return, told
from bot.model import Ceiling, Change, Loss, LossQuality, Measure, Plan, Unit
from tests.bot.stories import LOSS, NO_LOSS, T0, later, planned

UNKNOWN = Loss(LossQuality.UNKNOWN)
HOUR = 3600.0


# Several targets -------------------------------------------------------------------------------


def test_the_loss_of_one_target_is_the_loss() -> None:
    assert joint([("orders", LOSS)]) is LOSS


@pytest.mark.parametrize("one", LossQuality)
@pytest.mark.parametrize("other", LossQuality)
def test_two_targets_lose_with_the_worse_quality(one: LossQuality, other: LossQuality) -> None:
    worse = max(one, other, key=WORSE.index)
    assert joint([("a", Loss(one, later(-60))), ("b", Loss(other, later(-60)))]).quality is worse


def test_every_quality_has_its_place() -> None:
    assert set(WORSE) == set(LossQuality)
    assert (WORSE[0], WORSE[-1]) == (LossQuality.NONE, LossQuality.UNKNOWN)


def test_two_targets_lose_since_the_earlier_moment_and_all_units_by_name() -> None:
    carts = Loss(LossQuality.MEASURED, later(-60), (Unit("carts", 3),), measured_at=later(-5))
    assert joint([("orders", LOSS), ("shop", carts)]) == Loss(
        LossQuality.MEASURED,
        later(-1020),
        (Unit("orders", 212), Unit("shop carts", 3)),
        measured_at=later(-5),
    )


def test_a_target_without_data_adds_nothing_to_the_window() -> None:
    both = joint([("orders", LOSS), ("shop", NO_LOSS)])
    assert (both.quality, both.since, both.basis) == (
        LossQuality.MEASURED,
        later(-1020),
        "shop: shop: stateless",
    )


def test_one_window_that_is_not_known_makes_all_not_known() -> None:
    assert joint([("orders", LOSS), ("shop", Loss(LossQuality.MEASURED, None))]).since is None


def test_two_targets_without_data_lose_nothing() -> None:
    assert joint([("a", NO_LOSS), ("b", NO_LOSS)]).window(T0) == 0.0


# Ceiling ---------------------------------------------------------------------------------------


def counted(count: int, seconds: float | None = HOUR) -> Loss:
    since = None if seconds is None else later(-seconds)
    return Loss(LossQuality.MEASURED, since, (Unit("orders", count),))


CHANGED, RETURNING = Unit("orders", 41, Change.CHANGED), Unit("orders", 3, Change.RETURNS)
CEILINGS: dict[str, tuple[Loss, float, float | None, Ceiling]] = {
    "no data has no ceiling but zero": (NO_LOSS, HOUR, None, Ceiling(0.0)),
    "the window grows by the time until the start": (
        Loss(LossQuality.MEASURED, later(-HOUR)),
        600.0,
        None,
        Ceiling(4200.0),
    ),
    "units grow at their rate": (counted(100), HOUR / 2, None, Ceiling(HOUR * 1.5, (Unit("orders", 150),))),
    "units are rounded up": (counted(3), 600.0, None, Ceiling(4200.0, (Unit("orders", 4),))),
    "what is zero may begin to grow, by one": (
        counted(0),
        10 * HOUR,
        None,
        Ceiling(11 * HOUR, (Unit("orders", 1),)),
    ),
    "a declared tolerance takes the place of the rate": (
        counted(100),
        HOUR,
        0.1,
        Ceiling(2 * HOUR, (Unit("orders", 110),)),
    ),
    "no tolerance is no growth of units": (
        counted(100),
        HOUR,
        0.0,
        Ceiling(2 * HOUR, (Unit("orders", 100),)),
    ),
    "a window under a minute says nothing about the rate": (
        counted(60, 1.0),
        60.0,
        None,
        Ceiling(61.0, (Unit("orders", 120),)),
    ),
    "in a window under a minute at most twice what is shown is covered": (
        counted(10, 59.0),
        HOUR,
        None,
        Ceiling(59.0 + HOUR, (Unit("orders", 20),)),
    ),
    "in a window under a minute nothing may grow out of zero": (
        counted(0, 59.0),
        HOUR,
        None,
        Ceiling(59.0 + HOUR, (Unit("orders", 0),)),
    ),
    "each kind of change has a ceiling of its own": (
        Loss(LossQuality.MEASURED, later(-HOUR), (CHANGED, RETURNING)),
        HOUR,
        None,
        Ceiling(2 * HOUR, (replace(CHANGED, count=82), replace(RETURNING, count=6))),
    ),
    "a figure that sets no limit has none": (
        Loss(LossQuality.MEASURED, later(-HOUR), (Unit("authors", 2, limits=False),)),
        HOUR,
        None,
        Ceiling(2 * HOUR),
    ),
    "without a window there is no rate": (
        counted(100, None),
        HOUR,
        None,
        Ceiling(None, (Unit("orders", 100),)),
    ),
    "without a window a tolerance still counts": (
        counted(100, None),
        HOUR,
        0.5,
        Ceiling(None, (Unit("orders", 150),)),
    ),
    "what is not known has no ceiling": (UNKNOWN, HOUR, None, Ceiling(None)),
}


@pytest.mark.parametrize("name", CEILINGS)
def test_the_most_that_may_be_lost(name: str) -> None:
    loss, window, tolerance, expected = CEILINGS[name]
    assert ceiling_of(loss, T0, window, tolerance) == expected


# Whether it still holds ------------------------------------------------------------------------

AGREED = planned()  # measured: 1020 s and 212 orders; at most 3120 s and 649 orders
TWO_KINDS = planned(
    loss=replace(LOSS, units=(*LOSS.units, CHANGED)),
    ceiling=Ceiling(3120.0, (Unit("orders", 649), replace(CHANGED, count=80))),
)
OUTGROWN: dict[str, tuple[Plan, Loss, str | None]] = {
    "the same loss is covered": (AGREED, LOSS, None),
    "less is covered": (AGREED, replace(LOSS, since=later(-1), units=(Unit("orders", 0),)), None),
    "up to the ceiling it is covered": (
        AGREED,
        replace(LOSS, since=later(-3120), units=(Unit("orders", 649),)),
        None,
    ),
    "a longer window is not": (
        AGREED,
        replace(LOSS, since=later(-3121)),
        "the data-loss window has grown to 3121 s, the limit is 3120 s",
    ),
    "more units are not": (
        AGREED,
        replace(LOSS, units=(Unit("orders", 650),)),
        "650 new orders, covered were 649",
    ),
    "units that nobody saw are not": (
        AGREED,
        replace(LOSS, units=(Unit("orders", 212), Unit("refunds", 1))),
        "1 new refund, which nobody was shown",
    ),
    "0 of what nobody saw is covered, for no card shows it": (
        AGREED,
        replace(LOSS, units=(*LOSS.units, Unit("refunds", 0))),
        None,
    ),
    "two figures of one name are one": (
        AGREED,
        replace(LOSS, units=(Unit("orders", 325), Unit("orders", 325))),
        "650 new orders, covered were 649",
    ),
    "a window that nobody knows any more is not": (
        AGREED,
        replace(LOSS, since=None),
        "since when something is lost is not known any more",
    ),
    "a figure that is missing is not covered": (
        AGREED,
        replace(LOSS, units=()),
        "orders cannot be compared any more",
    ),
    "changed rows are no new rows": (
        AGREED,
        replace(LOSS, units=(*LOSS.units, CHANGED)),
        "41 changed orders, which nobody was shown",
    ),
    "more changed rows than were covered are not": (
        TWO_KINDS,
        replace(LOSS, units=(*LOSS.units, replace(CHANGED, count=81))),
        "81 changed orders, covered were 80",
    ),
    "figures without a limit come and go": (
        AGREED,
        replace(LOSS, units=(*LOSS.units, Unit("authors", 9, limits=False))),
        None,
    ),
    "figures that appear where only a window was shown are not": (
        planned(loss=Loss(LossQuality.MEASURED, later(-1020)), ceiling=Ceiling(3120.0)),
        replace(LOSS, units=(Unit("orders", 100_000),)),
        "100,000 new orders, which nobody was shown",
    ),
    "a plan of an earlier version is held to the new rows that it counted": (
        planned(format=1),
        replace(LOSS, units=(*LOSS.units, CHANGED)),
        None,
    ),
    "a plan of an earlier version is held to its limits": (
        planned(format=1),
        replace(LOSS, units=(Unit("orders", 650),)),
        "650 orders would be lost, the limit is 649",
    ),
    "a worse quality is not": (
        AGREED,
        replace(LOSS, quality=LossQuality.ESTIMATED),
        "the loss was measured when it was approved and is estimated now",
    ),
    "what is no longer known is not": (
        AGREED,
        UNKNOWN,
        "the loss was measured when it was approved and is unknown now",
    ),
    "what is no longer known says why": (
        AGREED,
        replace(UNKNOWN, basis="orders: not finished after 10 s"),
        "the loss was measured when it was approved and is unknown now (orders: not finished after 10 s)",
    ),
    "a better quality is": (planned(loss=replace(LOSS, quality=LossQuality.DECLARED)), LOSS, None),
    "crossing the RPO is not, below the ceiling": (
        planned(rpo=1200.0),
        replace(LOSS, since=later(-1201)),
        "the data-loss window has crossed the RPO of 20 min",
    ),
    "the RPO itself is covered": (planned(rpo=1200.0), replace(LOSS, since=later(-1200)), None),
    "who agreed beyond the RPO agreed to more": (planned(rpo=900.0), replace(LOSS, since=later(-2000)), None),
    "no data stays no data": (planned(loss=NO_LOSS, ceiling=Ceiling(0.0)), NO_LOSS, None),
    "data where there was none is not": (
        planned(loss=NO_LOSS, ceiling=Ceiling(0.0)),
        Loss(LossQuality.MEASURED, later(-1)),
        "the loss was none when it was approved and is measured now",
    ),
    "who agreed to what nobody knows agreed to what is known now": (
        planned(loss=UNKNOWN, ceiling=Ceiling(None)),
        LOSS,
        None,
    ),
}


@pytest.mark.parametrize("name", OUTGROWN)
def test_whether_the_approval_still_covers_the_loss(name: str) -> None:
    agreed, now, reason = OUTGROWN[name]
    assert outgrown(agreed, now, T0) == reason


@given(
    seconds=st.floats(0, 1e7),
    count=st.integers(0, 10**6),
    window=st.floats(1, 1e5),
    tolerance=st.none() | st.floats(0, 3),
)
@settings(max_examples=50)
def test_a_loss_is_always_within_its_own_ceiling(
    seconds: float, count: int, window: float, tolerance: float | None
) -> None:
    loss = counted(count, seconds)
    agreed = planned(loss=loss, ceiling=ceiling_of(loss, T0, window, tolerance))
    assert outgrown(agreed, loss, T0) is None


# Words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        (Unit("orders", 431), "431 new orders"),
        (Unit("orders", 1, Change.CHANGED), "1 changed order"),
        (Unit("customers", 1_300, Change.RETURNS), "1,300 returning customers"),
        (Unit("WAL", 1_024, measure=Measure.BYTES), "1,024 bytes of new WAL"),
        (Unit("authors", 1, limits=False), "1 author"),
        (Unit("files", 1, limits=False), "1 file"),
    ],
)
def test_a_figure_has_a_noun(unit: Unit, said: str) -> None:
    assert told(unit) == said


@pytest.mark.parametrize("name", ["addresses", "boxes", "caches", "movies", "status", "analysis", "glass"])
def test_a_plural_that_is_not_plain_stays(name: str) -> None:
    assert noun(name, 1) == name


# People who come back --------------------------------------------------------------------------


def returning(name: str, count: int) -> Unit:
    return Unit(name, count, Change.RETURNS, personal=True)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ([returning("customers", 3)], "3 deleted customers return: erase them again"),
        ([returning("customers", 1)], "1 deleted customer returns: erase it again"),
        (
            [returning("customers", 3), returning("guests", 1)],
            "3 deleted customers and 1 deleted guest return: erase them again",
        ),
        (
            [returning("customers", 1_200), returning("guests_of_the_hotel", 1), returning("staff", 4)],
            "1,205 deleted rows about people return: erase them again",
        ),
        ([returning("x" * 90, 1)], "1 deleted row about people returns: erase it again"),
    ],
)
def test_who_returns_is_named_as_far_as_a_card_has_room(units: list[Unit], said: str) -> None:
    assert erase_again(units) == said
    assert len(said) <= 80


def test_only_rows_about_people_that_return_are_people_who_return() -> None:
    units = (
        returning("customers", 3),
        returning("guests", 0),
        Unit("customers", 5, Change.NEW, personal=True),
        Unit("customers", 5, Change.CHANGED, personal=True),
        Unit("orders", 5, Change.RETURNS),
    )
    assert people_return(units) == units[:1]


def test_people_of_several_targets_stay_people() -> None:
    shop = Loss(LossQuality.MEASURED, later(-60), (returning("customers", 3),))
    both = joint([("shop", shop), ("site", NO_LOSS)])
    assert erase_again(people_return(both.units)) == "3 deleted shop customers return: erase them again"
