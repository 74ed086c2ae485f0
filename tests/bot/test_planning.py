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
from bot.configuration.settings import NoUndo
from bot.contract import Capabilities
from bot.model import (
    Ceiling,
    Change,
    Current,
    Do,
    Fence,
    Gone,
    Leg,
    Loss,
    LossQuality,
    Plan,
    Purpose,
    RestorePoint,
    UndoMode,
    Unit,
    Way,
)
from bot.outside import OutsideChange
from bot.pins import Pin
from bot.planning import (
    compose,
    loss_of,
    moved,
    other_place,
    replaced,
)
from bot.suggesting import Hold
from tests.bot.configured import configuration, restoring, target
from tests.bot.nouns import plans
from tests.bot.stories import LIVE, LOSS, POINT, T0, later, planned

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
        pins=dict.fromkeys(ways or {orders.name: way()}, ()),
        capabilities=dict.fromkeys(ways or {orders.name: way()}, Capabilities(Fence.BARRED)),
        holds=holds,
        outages=outages,
        now=T0,
    )


# Loss ------------------------------------------------------------------------------------------

STATELESS = Declared(declared="none", by="payments", because="stateless")
NOBODY_KNOWS = Declared(declared="unknown", by="payments", because="a queue")
A_DAY = Declared(declared="up to a day of clicks", by="web", because="caches")
NOTHING = Loss(LossQuality.NONE)
PARTLY = Loss(LossQuality.UNKNOWN, later(-60), (Unit("orders", 3, Change.CHANGED),), "carts: no key")
ESTIMATE = Loss(LossQuality.ESTIMATED, later(-60), basis="rate of yesterday")

LOSSES: dict[str, tuple[Declared | None, Loss | None, Loss]] = {
    "what was measured counts": (None, LOSS, LOSS),
    "what was measured counts against a declaration": (STATELESS, LOSS, LOSS),
    "an estimate counts against a declaration": (A_DAY, ESTIMATE, ESTIMATE),
    "nothing measured and nothing declared is unknown": (None, None, UNKNOWN),
    "what could not be measured stays unknown with what is known of it": (
        None,
        Loss(LossQuality.UNKNOWN, later(-60), basis="no table"),
        Loss(LossQuality.UNKNOWN, later(-60), basis="no table"),
    ),
    "none is none because somebody says so": (
        STATELESS,
        None,
        Loss(LossQuality.NONE, basis="payments: stateless"),
    ),
    "what could not be measured is as declared": (
        A_DAY,
        Loss(LossQuality.UNKNOWN, later(-60)),
        Loss(LossQuality.DECLARED, later(-60), basis="up to a day of clicks (web: caches)"),
    ),
    "declared words stand without a window": (
        A_DAY,
        None,
        Loss(LossQuality.DECLARED, None, basis="up to a day of clicks (web: caches)"),
    ),
    "a backend without data of its own does not overrule who declares a loss": (
        A_DAY,
        NOTHING,
        Loss(LossQuality.DECLARED, None, basis="up to a day of clicks (web: caches)"),
    ),
    "a backend without data of its own loses none where nobody says otherwise": (None, NOTHING, NOTHING),
    "a declaration does not cover up what was seen": (STATELESS, PARTLY, PARTLY),
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


def test_a_backend_that_says_none_and_counts_some_knows_nothing() -> None:
    lost = loss_of(target(kind="system"), Loss(LossQuality.NONE, units=(Unit("orders", 5),)))
    assert (lost.quality, lost.basis) == (LossQuality.UNKNOWN, "the backend says none, and counts some")


def test_silence_is_never_zero() -> None:
    assert loss_of(target(kind="database"), None).window(T0) is None


def test_the_ceiling_of_a_plan_reaches_to_the_last_moment_of_its_start() -> None:
    orders = target(approval=Rule(from_=("managers",), expires=1800.0, start_within=300.0))
    assert plan(orders).ceiling.seconds == 1020.0 + 2100.0


def test_the_tolerance_of_a_target_is_in_its_plan() -> None:
    assert plan(target(loss_tolerance=0.0)).ceiling.units == (Unit("orders", 212),)


# Whether it still holds ------------------------------------------------------------------------

AGREED = planned()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            way(point=replace(POINT, kept_until=T0 + timedelta(minutes=20))),
            "p41 of orders is removed by its backend",
        ),
        (way(undo_until=T0 + timedelta(days=2)), "keeps what is live now until"),
    ],
)
def test_what_the_backend_removes_too_early_is_a_warning(asked: Way, words: str) -> None:
    assert any(words in warning for warning in plan(ways={"orders": asked}).warnings)


def test_an_undo_is_offered_no_longer_than_the_backend_keeps_what_it_needs() -> None:
    until = T0 + timedelta(days=2)
    assert plan(ways={"orders": way(undo_until=until)}).undo_until(T0) == until
    assert plan().undo_until(T0) == T0 + timedelta(days=7)


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


def test_a_restore_point_with_other_content_says_so() -> None:
    leg = replace(LEG, point=replace(POINT, fingerprint="40ab" * 16))
    assert replaced(leg, leg.point) is None
    now = replace(POINT, fingerprint="7c1e" * 16)
    assert replaced(leg, now) == "backup p41 of `orders` is not what it was: 40ab40ab… is 7c1e7c1e… now"
    unread = str(replaced(leg, POINT))
    assert unread.endswith("40ab40ab… is content that was not read now")


def test_a_backend_that_knows_names_what_differs() -> None:
    leg = replace(LEG, point=replace(POINT, fingerprint="40ab" * 16))
    now, unlike = replace(POINT, fingerprint="7c1e" * 16), {"40ab" * 16: "a.php differs (1 of 9 files)"}
    assert (
        replaced(leg, now, unlike)
        == "backup p41 of `orders` is not what it was: a.php differs (1 of 9 files)"
    )


ROOT = Pin("`root`", "a" * 64)
PLACES: dict[str, tuple[tuple[Pin, ...], tuple[Pin, ...], str | None]] = {
    "the same place": ((ROOT,), (ROOT,), None),
    "another place": (
        (ROOT,),
        (replace(ROOT, digest="b" * 64),),
        "`root` of `orders` is another one than when it was approved",
    ),
    "no place any more": ((ROOT,), (), "`root` of `orders` cannot be found any more"),
    "one that nobody saw": ((), (ROOT,), "`root` of `orders` was not there when it was approved"),
}


@pytest.mark.parametrize("name", PLACES)
def test_whether_the_settings_lead_where_they_led(name: str) -> None:
    agreed, now, reason = PLACES[name]
    assert other_place(replace(LEG, pins=agreed), now) == reason


@pytest.mark.parametrize("whose", ["of maintenance", "of check 1"])
def test_a_file_that_the_run_itself_writes_or_removes_is_no_other_place(whose: str) -> None:
    file = Pin(f"program `file` {whose}", "f" * 64)
    for agreed, now in (((ROOT,), (ROOT, file)), ((ROOT, file), (ROOT,))):
        assert other_place(replace(LEG, pins=agreed), now, begun=True) is None
        assert whose in (other_place(replace(LEG, pins=agreed), now) or "")


# Warnings and blockers -------------------------------------------------------------------------


def test_a_plan_without_trouble_warns_of_nothing() -> None:
    found = plan()
    assert (found.warnings, found.blockers, found.approvals_needed) == ((), (), 1)


def test_what_executors_warn_of_and_what_blocks_them_stand_in_the_plan_once() -> None:
    found = plan(ways={"orders": way(warnings=("slow", "slow"), blockers=("a migration runs",))})
    assert (found.warnings, found.blockers) == (("slow",), ("a migration runs",))


def test_people_who_return_are_warned_of_first() -> None:
    people = replace(LOSS, units=(*LOSS.units, Unit("customers", 3, Change.RETURNS, personal=True)))
    warned = plan(ways={"orders": way(loss=people, warnings=("The disk is slow",))}).warnings
    assert warned == ("3 deleted customers return: erase them again", "The disk is slow")


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
    found = plan(target(approval=Rule(from_=("managers",), quorum=2)), {"orders": way(loss=UNKNOWN)})
    assert found.warnings == ("What is lost is not known, so one more approval is needed",)
    assert found.approvals_needed == 3


def test_a_point_of_less_than_a_minute_warns_that_its_rate_is_not_known() -> None:
    young = replace(LOSS, since=later(-59))
    assert plan(ways={"orders": way(loss=young)}).warnings == (
        "The restore point is under a minute old: at most twice what is shown is covered",
    )


def test_a_declared_loss_needs_nobody_more() -> None:
    assert plan(target(loss=A_DAY), {"orders": way(loss=UNKNOWN)}).approvals_needed == 1


def test_what_cannot_be_undone_takes_one_more_approval_and_says_so() -> None:
    found = plan(ways={"orders": way(undo=UndoMode.IMPOSSIBLE)})
    assert found.warnings == ("orders cannot be undone, so one more approval is needed",)
    assert found.approvals_needed == 2


def test_two_reasons_for_one_more_approval_take_one_more_not_two() -> None:
    found = plan(ways={"orders": way(undo=UndoMode.IMPOSSIBLE, loss=UNKNOWN)})
    assert found.approvals_needed == 2


def test_somebodys_word_that_it_need_not_be_undone_takes_the_one_more_away() -> None:
    orders = target(undo=NoUndo(declared="none", by="dora", because="rebuilt every night"))
    found = plan(orders, ways={"orders": way(undo=UndoMode.IMPOSSIBLE)})
    assert (found.approvals_needed, found.warnings) == (1, ())


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
    found = plan(target(kind="system"), {"orders": way(loss=NOTHING)})
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
        "legs": (replace(LEG, gone=(Gone("v41"),)),),
        "loss": UNKNOWN,
        "ceiling": Ceiling(None),
        "outage_range": (1.0, 2.0),
        "steps": planned().steps[:-1],
        "warnings": ("mind",),
        "blockers": ("no",),
        "approvers": (),
        "made_at": T0 + timedelta(milliseconds=1),
        "as_of": T0,
        "freshest": T0,
        "known": ("20261122T080000Z",),
        "changes": (OutsideChange("orders", T0, "migration"),),
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
        replace(LEG, point=replace(POINT, fingerprint="f" * 64)),
        replace(LEG, pins=(Pin("`root`", "d" * 64),)),
        replace(LEG, loss=replace(LOSS, units=(Unit("orders", 212, Change.CHANGED),))),
        replace(LEG, diff="table notes goes"),
    ],
    ids=["token", "label", "point", "proof", "one more order", "undo", "content", "place", "kind", "diff"],
)
def test_the_digest_changes_with_what_stands_deep_inside(deep: Leg) -> None:
    assert codec.plan_digest(replace(AGREED, legs=(deep,))) != codec.plan_digest(AGREED)


def test_a_plan_that_was_stored_has_the_digest_it_was_approved_by() -> None:
    stored: Plan = codec.load(Plan, codec.dump(Plan, AGREED))
    assert codec.plan_digest(stored) == codec.plan_digest(AGREED)


def test_whole_numbers_given_as_such_make_the_same_digest_before_and_after_storing() -> None:
    whole = replace(AGREED, rpo=900, outage=240)
    assert codec.plan_digest(codec.load(Plan, codec.dump(Plan, whole))) == codec.plan_digest(whole)


def test_a_restore_point_of_the_future_is_warned_of() -> None:
    made = plan(ways={"orders": way(point=replace(POINT, at=later(HOUR)))})
    assert f"{POINT.label} of orders is dated in the future: its time cannot be right" in made.warnings
