"""*Say what is live…*: two people who see the same."""

from bot import presses
from bot.event_kinds import EventKind as E
from bot.presses import Click, events_for
from tests.bot.presses.examples import (
    AN_HOUR_LATER,
    STATES,
    THREE,
    after_the_first,
    asked,
    let_through,
    rights,
)
from tests.people import ANA, BEN, CY, DORA


@rights(stuck=THREE)
def test_say_what_is_live_is_for_owner_requester_and_approvers_of_a_stuck_run(
    state: str, who: str, may: bool
) -> None:
    assert let_through(presses.RESOLVE, state, who) is may


def test_owner_and_requester_may_say_what_is_live() -> None:
    run = after_the_first("what is live", ANA)
    assert asked(run, presses.RESOLVE, DORA, answer="point") is None


def test_two_who_see_different_things_do_not_agree() -> None:
    run = after_the_first("what is live", ANA)
    (said,) = events_for(presses.RESOLVE, run, BEN, Click(answer="unchanged"), AN_HOUR_LATER)
    assert said.kind is E.RESOLVE_PROPOSED


def test_a_third_who_agrees_with_either_of_two_settles_it() -> None:
    story = STATES["stuck"]()
    story.tell(E.RESOLVE_PROPOSED, ANA, answer="point").tell(E.RESOLVE_PROPOSED, BEN, answer="unchanged")
    (said,) = events_for(presses.RESOLVE, story.run, CY, Click(answer="point"), AN_HOUR_LATER)
    assert said.kind is E.RESOLVED_POINT
