"""*Ask again*."""

from dataclasses import replace

from bot import presses
from bot.presses import Click, stamp, why_not
from tests.bot.presses.examples import AN_HOUR_LATER, ENTITLED, STATES, let_through, rights
from tests.people import FINN


@rights(**dict.fromkeys(("refused", "void", "expired", "vetoed"), "requester somebody-who-may-ask"))
def test_ask_again_is_for_who_may_ask_of_a_run_that_changed_nothing(state: str, who: str, may: bool) -> None:
    assert let_through(presses.ASK_AGAIN, state, who) is may


def test_whoever_no_group_of_requesters_is_named_for_may_ask_as_every_member() -> None:
    anybody = replace(ENTITLED, requesters=None)
    run = STATES["void"]().run
    assert why_not(presses.ASK_AGAIN, run, FINN, anybody, Click(stamp(run)), AN_HOUR_LATER) is None
