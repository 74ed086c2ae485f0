"""*Check again* and *Look again*."""

from bot import machine, presses
from bot.event_kinds import EventKind as E
from bot.model import Do
from bot.run import Run
from tests.bot.presses.examples import THREE, asked, let_through, rights
from tests.bot.stories import Story
from tests.people import BEN


@rights(step_failed=THREE, checks_failed=THREE, loss_outgrown=THREE, as_before=THREE, stuck=THREE)
def test_check_again_is_for_requester_approvers_and_owner(state: str, who: str, may: bool) -> None:
    assert let_through(presses.RETRY, state, who) is may


def halted() -> Run:
    return Story().up_to(Do.RESTORE).tell(E.HALTED, why="the configuration changed").run


def test_what_the_bot_may_not_go_on_with_is_looked_at_or_ended() -> None:
    assert asked(halted(), presses.RETRY, BEN) is None
    assert asked(halted(), presses.STOP, BEN) is None
    assert asked(halted(), presses.CONTINUE, BEN) == (
        "RB-42 cannot go on from here. The card shows what is possible."
    )


def forgotten() -> Story:
    story = Story().start(Do.RESTORE)
    (doubted,) = machine.forgotten(story.run, story.now, "put back from a backup", "k7f3")
    return story.add(doubted.fact)


def test_a_run_from_before_a_restored_backup_is_resolved_by_two_and_not_by_looking() -> None:
    run = forgotten().run
    assert asked(run, presses.RESOLVE, BEN, answer="point") is None
    assert asked(run, presses.RETRY, BEN) == (
        "RB-42 was under way in a backup that our database was put back from, so looking at one step cannot "
        "tell what is live. Look at the target yourself, and press *Say what is live…*."
    )


def test_a_run_from_before_a_restored_backup_that_is_as_before_can_only_be_ended() -> None:
    run = forgotten().tell(E.RESOLVED_UNCHANGED, BEN).run
    assert asked(run, presses.STOP, BEN) is None
    said = asked(run, presses.RETRY, BEN)
    assert said is not None
    assert said.endswith("cannot tell what is live. Press *End it…*, and ask again.")
