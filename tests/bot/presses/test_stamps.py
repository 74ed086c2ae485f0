"""Which drawings of a card stay good."""

from bot.event_kinds import EventKind as E
from bot.model import Do
from bot.presses import stamp
from tests.bot.stories import Story
from tests.people import ANA


def test_a_button_of_a_running_run_stays_good_while_it_goes_on_by_itself() -> None:
    story = Story().started()
    drawn = stamp(story.run)
    assert stamp(story.up_to(Do.RESTORE).run) == drawn


def test_where_people_decide_each_drawing_has_its_own_stamp() -> None:
    story = Story().doubt()
    drawn = stamp(story.run)
    assert stamp(story.tell(E.CONTINUE_PROPOSED, ANA, why="…").run) != drawn
