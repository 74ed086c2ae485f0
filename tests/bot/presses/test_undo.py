"""*Undo…*: while there is something to undo it with."""

from datetime import timedelta

from bot import presses
from bot.event_kinds import EventKind as E
from bot.model import Do
from tests.bot.presses.examples import asked, let_through, rights
from tests.bot.stories import Story
from tests.people import BEN, EVE


@rights(
    at_a_later_checkpoint="requester somebody-who-may-ask",
    stopped="requester somebody-who-may-ask",
    step_failed="requester somebody-who-may-ask",
    checks_failed="requester somebody-who-may-ask",
    as_before="requester somebody-who-may-ask",
    succeeded="requester somebody-who-may-ask",
    failed="requester somebody-who-may-ask",
    failed_in_maintenance="requester somebody-who-may-ask",
)
def test_undo_is_for_who_may_ask_where_there_is_an_undo_point(state: str, who: str, may: bool) -> None:
    assert let_through(presses.UNDO, state, who) is may


def test_an_undo_comes_in_time_or_is_refused() -> None:
    run = Story().succeeded().run
    assert run.end.at is not None
    over = run.end.at + timedelta(days=7)
    assert asked(run, presses.UNDO, EVE, now=over - timedelta(milliseconds=1)) is None
    assert asked(run, presses.UNDO, EVE, now=over) == (
        "RB-42 could be undone for 7 days. Use `/rollback orders` to choose a restore point."
    )


def test_an_undo_that_is_under_way_is_named() -> None:
    run = Story().fail(Do.RESTORE).tell(E.ENDED, BEN, undone_by="RB-43").run
    assert asked(run, presses.UNDO, EVE) == "RB-42 is being undone by RB-43 already."
