"""*Yes, go on*, *Go online anyway…* and *Leave maintenance…*."""

from dataclasses import replace

import pytest

from bot import presses
from bot.envelope import Event
from bot.events import ContinueProposed
from bot.model import Person
from bot.presses import Click, events_for, stamp, why_not
from tests.bot.presses.examples import (
    AGREEING,
    AN_HOUR_LATER,
    ENTITLED,
    STATES,
    THREE,
    after_the_first,
    asked,
    let_through,
    rights,
)
from tests.people import ANA, BEN, CY, DORA


@rights(
    at_the_first_checkpoint="requester approver",
    at_a_later_checkpoint="requester approver",
    stopped="requester approver",
    checks_failed=THREE,
    failed_in_maintenance=THREE,
)
def test_yes_go_on_is_for_requester_and_approvers_and_going_online_anyway_for_the_owner_too(
    state: str, who: str, may: bool
) -> None:
    assert let_through(presses.CONTINUE, state, who) is may


def test_a_word_is_kept_with_who_said_it_by_which_marks_and_why() -> None:
    run = STATES["checks-failed"]().run
    (said,) = events_for(presses.CONTINUE, run, BEN, Click(why="customers wait"), AN_HOUR_LATER)
    expected = ContinueProposed(marks=tuple(sorted(BEN.marks)), why="customers wait")
    assert said == Event(expected, AN_HOUR_LATER, BEN.id)


@pytest.mark.parametrize("what", ["going online", "leaving maintenance"])
@pytest.mark.parametrize(("first", "second"), [(ANA, DORA), (DORA, ANA)])
def test_without_an_approver_two_do_not_go_against_the_checks(
    what: str, first: Person, second: Person
) -> None:
    reason = asked(after_the_first(what, first), presses.CONTINUE, second)
    assert reason == "One of the two must be an approver: <@U01BEN> or <@U01CY> can."


def test_a_requester_who_is_an_approver_is_not_the_approver_among_two() -> None:
    run = after_the_first("going online", DORA)
    among = replace(ENTITLED, approvers=(ANA, BEN))
    reason = why_not(presses.CONTINUE, run, ANA, among, Click(stamp(run), why="…"), AN_HOUR_LATER)
    assert reason == "One of the two must be an approver: <@U01BEN> can."


def test_an_approver_who_was_deactivated_since_is_not_the_approver_among_two() -> None:
    run = after_the_first("going online", BEN)
    gone = replace(ENTITLED, approvers=(replace(BEN, barred="this account is deactivated"), CY))
    reason = why_not(presses.CONTINUE, run, ANA, gone, Click(stamp(run), why="…"), AN_HOUR_LATER)
    assert reason == "One of the two must be an approver: <@U01CY> can."


@pytest.mark.parametrize("what", ["going online", "leaving maintenance"])
@pytest.mark.parametrize("why", ["", "   "])
def test_going_against_the_checks_needs_a_reason(what: str, why: str) -> None:
    press, story, _, _ = AGREEING[what]
    assert asked(story().run, press, BEN, why=why) == "Say why in one sentence: it is kept with the run."
