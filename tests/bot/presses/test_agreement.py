"""Two people who must agree, whatever about."""

from dataclasses import replace

import pytest

from bot import machine
from bot.model import Person
from bot.presses import Click, events_for
from tests.bot.presses.examples import AGREEING, AN_HOUR_LATER, after_the_first, asked
from tests.people import ANA, BEN, CY, DORA


@pytest.mark.parametrize("what", AGREEING)
@pytest.mark.parametrize(("first", "second"), [(ANA, BEN), (BEN, ANA), (DORA, BEN), (BEN, DORA), (BEN, CY)])
def test_two_who_may_and_an_approver_among_them_agree_in_either_order(
    what: str, first: Person, second: Person
) -> None:
    press, _, proposed, answer = AGREEING[what]
    run = after_the_first(what, first)
    assert asked(run, press, second, answer=answer) is None
    said = events_for(press, run, second, Click(why="…", answer=answer), AN_HOUR_LATER)
    assert [event.kind for event in said] != [proposed]


@pytest.mark.parametrize("what", AGREEING)
def test_the_first_of_two_decides_nothing(what: str) -> None:
    press, story, proposed, answer = AGREEING[what]
    run = story().run
    (said,) = events_for(press, run, BEN, Click(why="…", answer=answer), AN_HOUR_LATER)
    assert said.kind is proposed
    assert machine.apply(run, said).state is run.state


@pytest.mark.parametrize("what", AGREEING)
@pytest.mark.parametrize("how", ["the same account", "another account"])
def test_one_human_is_not_two_people(what: str, how: str) -> None:
    press, _, _, answer = AGREEING[what]
    run = after_the_first(what, BEN)
    home = replace(BEN, id="U09BEN", marks=frozenset({"U09BEN", "person:ben"}))
    again = BEN if how == "the same account" else home
    reason = asked(run, press, again, answer=answer)
    assert reason is not None
    assert reason.startswith("You have said so already. Somebody else has to agree:")
