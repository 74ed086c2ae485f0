"""*Cancel* and *Stop…*."""

from bot import presses
from bot.event_kinds import EventKind as E
from bot.model import Do
from tests.bot.presses.examples import THREE, asked, let_through, rights
from tests.bot.stories import Story
from tests.people import BEN, CY


@rights(
    requested=THREE,
    awaiting=THREE,
    approved=THREE,
    running_untouched=THREE,
    running=THREE,
    at_the_first_checkpoint=THREE,
)
def test_cancel_and_stop_are_for_requester_approvers_and_owner(state: str, who: str, may: bool) -> None:
    assert let_through(presses.CANCEL, state, who) is may


def test_a_second_stop_is_told_that_it_stops_already() -> None:
    run = Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).run
    assert asked(run, presses.CANCEL, CY) == (
        "Somebody asked RB-42 to stop already: no next step starts. The card shows how it goes on."
    )
