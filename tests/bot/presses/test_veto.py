"""*Reject*: one click of one person, until the first intent."""

from dataclasses import replace

from bot import presses
from bot.event_kinds import EventKind as E
from bot.policy import Entitled
from bot.presses import Click, events_for, stamp, why_not
from tests.bot.presses.examples import STATES, asked, let_through, rights
from tests.bot.stories import later
from tests.people import BEN, CY, FINN


@rights(
    awaiting="approver owner",
    approved="approver owner",
    running_untouched="approver owner",
    at_the_first_checkpoint="approver owner",
)
def test_reject_is_for_approvers_and_the_owner_until_the_first_intent(
    state: str, who: str, may: bool
) -> None:
    assert let_through(presses.VETO, state, who) is may


def test_a_rejection_after_the_first_intent_points_to_stop() -> None:
    reason = asked(STATES["running"]().run, presses.VETO, BEN)
    assert reason is not None
    assert "too late" in reason
    assert "*Stop…*" in reason


def test_rule_9_one_click_of_one_person_is_a_veto() -> None:
    run = STATES["awaiting"]().run
    assert asked(run, presses.VETO, BEN, why="") is None
    assert [e.kind for e in events_for(presses.VETO, run, BEN, Click(), later(60))] == [E.VETOED]


def test_rule_10_a_refusal_names_who_can() -> None:
    assert asked(STATES["awaiting"]().run, presses.VETO, FINN) == (
        "You cannot reject RB-42: <@U01BEN> or <@U01CY> can."
    )


def test_rule_10_a_refusal_names_nobody_who_is_barred() -> None:
    run = STATES["awaiting"]().run
    entitled = Entitled((replace(BEN, barred="this account is deactivated"), CY))
    reason = why_not(presses.VETO, run, FINN, entitled, Click(stamp(run)), later(60))
    assert reason == "You cannot reject RB-42: <@U01CY> can."


def test_rule_10_when_nobody_can_that_is_said() -> None:
    run = STATES["awaiting"]().run
    reason = why_not(presses.VETO, run, FINN, Entitled(()), Click(stamp(run)), later(60))
    assert reason == "You cannot reject RB-42: nobody can at the moment."
