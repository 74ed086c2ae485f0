"""What a plan costs, what it warns of, and when it no longer holds."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import codec
from bot.configuration import Configuration, Declared, Rule, Target
from bot.model import (
    Ceiling,
    Current,
    Do,
    Goal,
    Leg,
    Loss,
    LossQuality,
    Plan,
    Points,
    Purpose,
    RestorePoint,
    UndoMode,
    Unit,
    Way,
)
from bot.planning import (
    WORSE,
    Abandoned,
    Hold,
    ceiling_of,
    compose,
    joint,
    loss_of,
    moved,
    other_goal,
    outgrown,
    suggested,
)
from tests.bot.configured import configuration, restoring, target
from tests.bot.nouns import plans
from tests.bot.stories import LIVE, LOSS, NO_LOSS, POINT, T0, later, planned

UNKNOWN = Loss(LossQuality.UNKNOWN)
HOUR = 3600.0


def way(**changes: Any) -> Way:
    return replace(Way(POINT, LIVE, LOSS), **changes)


def plan(
    orders: Target | None = None,
    ways: Mapping[str, Way] | None = None,
    *,
    known: Configuration | None = None,
    holds: Sequence[Hold] = (),
    outages: Sequence[float] = (),
    purpose: Purpose = Purpose.ROLLBACK,
) -> Plan:
    orders = orders or target()
    return compose(
        known or configuration(orders),
        orders,
        purpose,
        ways or {orders.name: way()},
        undoable=(),
        holds=holds,
        outages=outages,
        now=T0,
    )


# Loss ------------------------------------------------------------------------------------------

STATELESS = Declared(declared="none", by="payments", because="stateless")
NOBODY_KNOWS = Declared(declared="unknown", by="payments", because="a queue")
A_DAY = Declared(declared="up to a day of clicks", by="web", because="caches")
ESTIMATE = Loss(LossQuality.ESTIMATED, 60.0, basis="rate of yesterday")

LOSSES: dict[str, tuple[Declared | None, Loss | None, Loss]] = {
    "what was measured counts": (None, LOSS, LOSS),
    "what was measured counts against a declaration": (STATELESS, LOSS, LOSS),
    "an estimate counts against a declaration": (A_DAY, ESTIMATE, ESTIMATE),
    "nothing measured and nothing declared is unknown": (None, None, UNKNOWN),
    "what could not be measured stays unknown with what is known of it": (
        None,
        Loss(LossQuality.UNKNOWN, 60.0, basis="no table"),
        Loss(LossQuality.UNKNOWN, 60.0, basis="no table"),
    ),
    "none is none because somebody says so": (
        STATELESS,
        None,
        Loss(LossQuality.NONE, 0.0, basis="payments: stateless"),
    ),
    "what could not be measured is as declared": (
        A_DAY,
        Loss(LossQuality.UNKNOWN, 60.0),
        Loss(LossQuality.DECLARED, 60.0, basis="up to a day of clicks (web: caches)"),
    ),
    "declared words stand without a window": (
        A_DAY,
        None,
        Loss(LossQuality.DECLARED, None, basis="up to a day of clicks (web: caches)"),
    ),
    "unknown can be declared, too": (
        NOBODY_KNOWS,
        None,
        Loss(LossQuality.UNKNOWN, basis="payments: a queue"),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_going_back_loses(name: str) -> None:
    declared, measured, expected = LOSSES[name]
    assert loss_of(target(loss=declared), measured) == expected


def test_a_system_loses_no_data_unless_it_says_otherwise() -> None:
    assert loss_of(target(kind="system"), None).quality is LossQuality.NONE
    assert loss_of(target(kind="system", loss=NOBODY_KNOWS), None).quality is LossQuality.UNKNOWN


def test_silence_is_never_zero() -> None:
    assert loss_of(target(kind="database"), None).seconds is None


def test_the_loss_of_one_target_is_the_loss() -> None:
    assert joint([("orders", LOSS)]) is LOSS


@pytest.mark.parametrize("one", LossQuality)
@pytest.mark.parametrize("other", LossQuality)
def test_two_targets_lose_with_the_worse_quality(one: LossQuality, other: LossQuality) -> None:
    worse = max(one, other, key=WORSE.index)
    assert joint([("a", Loss(one, 60.0)), ("b", Loss(other, 60.0))]).quality is worse


def test_every_quality_has_its_place() -> None:
    assert set(WORSE) == set(LossQuality)
    assert (WORSE[0], WORSE[-1]) == (LossQuality.NONE, LossQuality.UNKNOWN)


def test_two_targets_lose_the_longer_window_and_all_units_by_name() -> None:
    carts = Loss(LossQuality.MEASURED, 60.0, (Unit("carts", 3),), measured_at=later(-5))
    assert joint([("orders", LOSS), ("shop", carts)]) == Loss(
        LossQuality.MEASURED,
        1020.0,
        (Unit("orders orders", 212), Unit("shop carts", 3)),
        measured_at=later(-5),
    )


def test_a_target_without_data_adds_nothing_to_the_window() -> None:
    both = joint([("orders", LOSS), ("shop", NO_LOSS)])
    assert (both.quality, both.seconds, both.basis) == (LossQuality.MEASURED, 1020.0, "shop: shop: stateless")


def test_one_window_that_is_not_known_makes_all_not_known() -> None:
    assert joint([("orders", LOSS), ("shop", Loss(LossQuality.MEASURED, None))]).seconds is None


def test_two_targets_without_data_lose_nothing() -> None:
    assert joint([("a", NO_LOSS), ("b", NO_LOSS)]).seconds == 0.0


# Ceiling ---------------------------------------------------------------------------------------


def counted(count: int, seconds: float | None = HOUR) -> Loss:
    return Loss(LossQuality.MEASURED, seconds, (Unit("orders", count),))


CEILINGS: dict[str, tuple[Loss, float, float | None, Ceiling]] = {
    "no data has no ceiling but zero": (NO_LOSS, HOUR, None, Ceiling(0.0)),
    "the window grows by the time until the start": (
        Loss(LossQuality.MEASURED, HOUR),
        600.0,
        None,
        Ceiling(4200.0),
    ),
    "units grow at their rate": (counted(100), HOUR / 2, None, Ceiling(HOUR * 1.5, (Unit("orders", 150),))),
    "units are rounded up": (counted(3), 600.0, None, Ceiling(4200.0, (Unit("orders", 4),))),
    "what is zero may begin to grow": (counted(0), HOUR, None, Ceiling(2 * HOUR, (Unit("orders", 1),))),
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
    assert ceiling_of(loss, window, tolerance) == expected


def test_the_ceiling_of_a_plan_reaches_to_the_last_moment_of_its_start() -> None:
    orders = target(approval=Rule(from_=("managers",), expires=1800.0, start_within=300.0))
    assert plan(orders).ceiling.seconds == 1020.0 + 2100.0


def test_the_tolerance_of_a_target_is_in_its_plan() -> None:
    assert plan(target(loss_tolerance=0.0)).ceiling.units == (Unit("orders", 212),)


# Whether it still holds ------------------------------------------------------------------------

AGREED = planned()  # measured: 1020 s and 212 orders; at most 3120 s and 649 orders
OUTGROWN: dict[str, tuple[Plan, Loss, str | None]] = {
    "the same loss is covered": (AGREED, LOSS, None),
    "less is covered": (AGREED, replace(LOSS, seconds=1.0, units=()), None),
    "up to the ceiling it is covered": (
        AGREED,
        replace(LOSS, seconds=3120.0, units=(Unit("orders", 649),)),
        None,
    ),
    "a longer window is not": (
        AGREED,
        replace(LOSS, seconds=3121.0),
        "the data-loss window has grown to 3121 s, the limit is 3120 s",
    ),
    "more units are not": (
        AGREED,
        replace(LOSS, units=(Unit("orders", 650),)),
        "650 orders would be lost, the limit is 649",
    ),
    "units that nobody saw are not": (
        AGREED,
        replace(LOSS, units=(Unit("orders", 212), Unit("refunds", 1))),
        "1 refunds would be lost, the limit is 0",
    ),
    "none of a unit that nobody saw is covered": (AGREED, replace(LOSS, units=(Unit("refunds", 0),)), None),
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
    "a better quality is": (planned(loss=replace(LOSS, quality=LossQuality.DECLARED)), LOSS, None),
    "crossing the RPO is not, below the ceiling": (
        planned(rpo=1200.0),
        replace(LOSS, seconds=1201.0),
        "the data-loss window has crossed the RPO of 20 min",
    ),
    "the RPO itself is covered": (planned(rpo=1200.0), replace(LOSS, seconds=1200.0), None),
    "who agreed beyond the RPO agreed to more": (planned(rpo=900.0), replace(LOSS, seconds=2000.0), None),
    "no data stays no data": (planned(loss=NO_LOSS, ceiling=Ceiling(0.0)), NO_LOSS, None),
    "data where there was none is not": (
        planned(loss=NO_LOSS, ceiling=Ceiling(0.0)),
        Loss(LossQuality.MEASURED, 1.0),
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
    assert outgrown(agreed, now) == reason


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
    agreed = planned(loss=loss, ceiling=ceiling_of(loss, window, tolerance))
    assert outgrown(agreed, loss) is None


LEG = Leg("orders", LIVE, POINT, LOSS)


def test_identity_is_the_token_and_nothing_else() -> None:
    assert moved(LEG, replace(LIVE, label="v42 again", at=T0)) is None


def test_a_moved_identity_says_from_what_to_what() -> None:
    assert moved(LEG, Current("v43", "token-43", "v43")) == (
        "`orders` changed since the plan was made: it was v42, now it is v43"
    )


def test_a_moved_identity_without_labels_says_the_ids() -> None:
    leg = replace(LEG, current=Current("a1", "1"))
    assert str(moved(leg, Current("b2", "2"))).endswith("it was a1, now it is b2")


# Warnings and blockers -------------------------------------------------------------------------


def test_a_plan_without_trouble_warns_of_nothing() -> None:
    found = plan()
    assert (found.warnings, found.blockers, found.approvals_needed) == ((), (), 1)


def test_what_executors_warn_of_and_what_blocks_them_stand_in_the_plan_once() -> None:
    found = plan(ways={"orders": way(warnings=("slow", "slow"), blockers=("a migration runs",))})
    assert (found.warnings, found.blockers) == (("slow",), ("a migration runs",))


def test_going_to_what_is_live_is_blocked() -> None:
    found = plan(ways={"orders": way(point=RestorePoint("v42", T0, "v42", current=True))})
    assert found.blockers == ("v42 is what `orders` runs now: choose an earlier restore point",)


def test_going_to_a_version_that_was_rolled_back_itself_is_warned_of() -> None:
    hold = Hold("orders", "p41", "RB-7", later(-86400))
    elsewhere = (replace(hold, target="search"), replace(hold, point="p40"))
    found = plan(holds=(hold, *elsewhere))
    assert found.warnings == ("p41 of orders was itself rolled back by RB-7 on 21 Nov",)


@pytest.mark.parametrize(("rpo", "warned"), [(None, False), (1020.0, False), (1019.0, True), (0.0, True)])
def test_a_loss_beyond_the_rpo_is_warned_of(rpo: float | None, warned: bool) -> None:
    found = plan(target(rpo=rpo))
    assert (any("than the RPO" in warning for warning in found.warnings)) is warned


def test_an_unknown_loss_is_warned_of_and_needs_one_more_approver() -> None:
    found = plan(target(approval=Rule(from_=("managers",), quorum=2)), {"orders": way(loss=None)})
    assert found.warnings == ("What is lost is not known, so one more approval is needed",)
    assert found.approvals_needed == 3


def test_a_declared_loss_needs_nobody_more() -> None:
    assert plan(target(loss=A_DAY), {"orders": way(loss=None)}).approvals_needed == 1


def test_what_cannot_be_undone_is_warned_of() -> None:
    found = plan(ways={"orders": way(undo=UndoMode.IMPOSSIBLE)})
    assert found.warnings == ("orders cannot be undone",)


# The whole plan --------------------------------------------------------------------------------


def test_a_plan_says_what_the_target_says() -> None:
    orders = target(environment="staging", rpo=900.0, rto=600.0, undo_days=3)
    found = plan(orders)
    assert (found.target, found.environment, found.rpo, found.rto, found.undo_days) == (
        "orders",
        "staging",
        900.0,
        600.0,
        3,
    )
    assert (found.approvers, found.expires, found.start_within, found.made_at) == (
        ("managers",),
        1800.0,
        300.0,
        T0,
    )


def test_the_first_leg_is_the_target_that_was_asked_for() -> None:
    shop = target("shop", procedure="both")
    known = configuration(shop, target("search"), procedures={"both": restoring("search", "shop")})
    found = plan(shop, {"shop": way(), "search": way()}, known=known)
    assert [leg.target for leg in found.legs] == ["shop", "search"]
    assert found.point is found.legs[0].point


def test_a_plan_that_touches_no_data_measures_none() -> None:
    found = plan(target(kind="system"), {"orders": way(loss=None)})
    assert Do.MEASURE not in [step.do for step in found.steps]


OUTAGES: dict[str, tuple[Target, Way, list[float], float | None]] = {
    "the median of earlier runs": (target(outage=60.0), way(downtime=5.0), [400.0, 100.0, 200.0], 200.0),
    "else what the target says": (target(outage=60.0), way(downtime=5.0), [], 60.0),
    "else what the backend says": (target(), way(downtime=5.0), [], 5.0),
    "else not known": (target(), way(downtime=None), [], None),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_the_outage_to_expect(name: str) -> None:
    orders, found, outages, expected = OUTAGES[name]
    assert plan(orders, {"orders": found}, outages=outages).outage == expected


def test_the_outage_of_several_targets_adds_up_and_is_not_known_when_one_is_not() -> None:
    shop = target("shop", procedure="both")
    known = configuration(shop, target("search"), procedures={"both": restoring("shop", "search")})
    both = plan(shop, {"shop": way(downtime=5.0), "search": way(downtime=7.0)}, known=known)
    one = plan(shop, {"shop": way(downtime=5.0), "search": way(downtime=None)}, known=known)
    assert (both.outage, one.outage) == (12.0, None)


def test_the_range_of_earlier_outages_says_of_how_many_runs() -> None:
    found = plan(outages=[400.0, 100.0, 200.0])
    assert (found.outage_range, found.outage_runs) == ((100.0, 400.0), 3)
    assert (plan().outage_range, plan().outage_runs) == (None, 0)


# Several targets -------------------------------------------------------------------------------


def test_further_targets_go_to_the_same_moment() -> None:
    assert other_goal(way(), Goal(point="p41")) == Goal(before=POINT.at)


def test_further_targets_go_to_the_time_that_was_asked_for() -> None:
    before = Goal(before=later(-60))
    assert other_goal(way(), before) is before


def test_further_targets_of_an_undo_go_to_the_same_runs_undo_points() -> None:
    undo = Goal(undo_of="RB-41")
    assert other_goal(way(), undo) is undo


# The digest ------------------------------------------------------------------------------------


@given(plan=plans(), donor=plans(), field=st.sampled_from(fields(Plan)))
@settings(max_examples=40)
def test_two_plans_have_one_digest_only_when_they_are_equal(plan: Plan, donor: Plan, field: Any) -> None:
    other = replace(plan, **{field.name: getattr(donor, field.name)})
    assert (codec.plan_digest(other) == codec.plan_digest(plan)) == (other == plan)


@pytest.mark.parametrize("field", [field.name for field in fields(Plan)])
def test_the_digest_changes_with_every_field(field: str) -> None:
    changed = {
        "kind": "system",
        "purpose": "undo",
        "risk": "critical",
        "legs": (replace(LEG, changes=("one more",)),),
        "loss": UNKNOWN,
        "ceiling": Ceiling(None),
        "outage_range": (1.0, 2.0),
        "steps": planned().steps[:-1],
        "warnings": ("mind",),
        "blockers": ("no",),
        "approvers": (),
        "made_at": T0 + timedelta(milliseconds=1),
    }
    value = changed.get(field, "x" if isinstance(getattr(AGREED, field), str) else 77)
    other: Plan = codec.load(Plan, {**codec.dump(Plan, AGREED), field: value})
    assert codec.plan_digest(other) != codec.plan_digest(AGREED)


@pytest.mark.parametrize(
    "deep",
    [
        replace(LEG, current=replace(LIVE, token="token-43")),
        replace(LEG, current=replace(LIVE, label="v43")),
        replace(LEG, point=replace(POINT, id="p40")),
        replace(LEG, point=replace(POINT, proven_at=T0)),
        replace(LEG, loss=replace(LOSS, units=(Unit("orders", 213),))),
        replace(LEG, undo=UndoMode.IMPOSSIBLE),
    ],
    ids=["token", "label", "point", "proof", "one more order", "undo"],
)
def test_the_digest_changes_with_what_stands_deep_inside(deep: Leg) -> None:
    assert codec.plan_digest(replace(AGREED, legs=(deep,))) != codec.plan_digest(AGREED)


def test_a_plan_that_was_stored_has_the_digest_it_was_approved_by() -> None:
    stored: Plan = codec.load(Plan, codec.dump(Plan, AGREED))
    assert codec.plan_digest(stored) == codec.plan_digest(AGREED)


def test_whole_numbers_given_as_such_make_the_same_digest_before_and_after_storing() -> None:
    whole = replace(AGREED, rpo=900, outage=240)
    assert codec.plan_digest(codec.load(Plan, codec.dump(Plan, whole))) == codec.plan_digest(whole)


# What is suggested


def listed(*points: RestorePoint, live: Current | None = None, **more: Any) -> Points:
    """Newest first."""
    return Points(points, live or Current("v42", "token", at=T0), **more)


def point(name: str, at: float | None, **more: Any) -> RestorePoint:
    return RestorePoint(name, None if at is None else later(at), **more)


def test_the_newest_point_that_is_older_than_what_is_live_is_suggested() -> None:
    live = point("v42", -100, current=True)
    found = suggested(listed(point("v43", -50), live, point("v41", -200), point("v40", -300)), (), ())
    assert found is not None
    assert found.id == "v41"


@pytest.mark.parametrize(
    ("points", "holds", "abandoned"),
    [
        (listed(point("v43", -50), live=Current("v42", "token", at=later(-100))), (), ()),
        (listed(point("v41", -50)), (Hold("shop", "v41", "RB-1", T0),), ()),
        (listed(point("pre-RB-1", -50), saved=frozenset({"pre-RB-1"})), (), ()),
        (listed(point("bad", -50)), (), (Abandoned(later(-100), later(-10)),)),
        (listed(point("undated", None)), (), ()),
        (listed(point("v43", -50), live=Current("v42", "token")), (), ()),
        (listed(point("v43", -50), point("v42", None)), (), ()),
    ],
    ids=[
        "newer than what is live",
        "held",
        "saved before a run",
        "of a time taken back",
        "without a time",
        "beside a live state of which nobody knows the time",
        "before the live state in the list",
    ],
)
def test_nothing_is_suggested_that_leads_back_to_the_fault(
    points: Points, holds: Sequence[Hold], abandoned: Sequence[Abandoned]
) -> None:
    assert suggested(points, holds, abandoned) is None


def test_a_backup_is_suggested_although_nobody_knows_since_when_the_live_state_stands() -> None:
    backup = point("backup", -100)
    assert suggested(listed(backup, live=Current("now", "token"), all_earlier=True), (), ()) == backup


def test_what_is_listed_after_the_live_state_is_older_although_that_has_no_time() -> None:
    older = point("v41", -50)
    live = Current("v42", "token")
    assert suggested(listed(point("v42", None), older, live=live), (), ()) == older


def test_the_restore_point_of_an_earlier_rollback_may_be_suggested_again() -> None:
    found = suggested(listed(point("good", -100)), (), (Abandoned(later(-100), later(-10)),))
    assert found is not None
    assert found.id == "good"
