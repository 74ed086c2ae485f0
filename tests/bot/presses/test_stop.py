"""*End it…*, and clicks on what is no longer so."""

from bot import presses
from bot.event_kinds import EventKind as E
from bot.model import Do
from bot.presses import Click, stamp, why_not
from tests.bot.presses.examples import AN_HOUR_LATER, ENTITLED, PAUSED, STATES, THREE, let_through, rights
from tests.bot.stories import Story
from tests.people import ANA, BEN


@rights(**{name.replace("-", "_"): THREE for name in PAUSED})
def test_end_it_is_for_requester_approvers_and_owner_of_a_paused_run(state: str, who: str, may: bool) -> None:
    assert let_through(presses.STOP, state, who) is may


def test_a_click_on_an_old_card_is_refused() -> None:
    story = Story().fail(Do.RESTORE)
    old = stamp(story.run)
    run = story.tell(E.RETRIED, ANA).tell(E.STEP_FAILED, n=5).run
    reason = why_not(presses.STOP, run, BEN, ENTITLED, Click(old), AN_HOUR_LATER)
    assert reason is not None
    assert "has moved on since this card was drawn" in reason


def test_what_was_typed_has_no_stamp_and_counts_for_the_run_as_it_is() -> None:
    run = STATES["step-failed"]().run
    assert why_not(presses.STOP, run, BEN, ENTITLED, Click(stamp=None), AN_HOUR_LATER) is None
