"""A run's parts are copied with changes."""

import pytest

from bot.model import State
from bot.run import Decision, renewed
from tests.bot.stories import Story


def test_a_part_that_is_renewed_differs_in_nothing_else() -> None:
    run = Story().approved().run
    moved = renewed(run, state=State.VETOED, why="not now")
    assert (moved.state, moved.why) == (State.VETOED, "not now")
    assert renewed(moved, state=run.state, why=run.why) == run


def test_a_part_that_is_renewed_leaves_the_old_one_as_it_was() -> None:
    given = Decision(digest="7f3a")
    renewed(given, digest="0000")
    assert given.digest == "7f3a"


def test_no_part_gets_a_field_that_it_does_not_have() -> None:
    with pytest.raises(TypeError, match="Decision has no digset"):
        renewed(Decision(), digset="7f3a")
