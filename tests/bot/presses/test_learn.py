"""*Add what we learnt…* and *Say what went wrong…*."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot import machine, presses
from bot.events import Learnt
from bot.lessons import Lessons
from bot.model import Person
from bot.presses import LEARN, Click, events_for, why_not
from bot.presses.learn import LESSONS
from bot.run import Run
from tests.bot.presses.examples import ENTITLED, STATES, WHO, let_through
from tests.bot.stories import having
from tests.bot.views.drills import FAILED, RUNNING, SUCCEEDED
from tests.bot.views.examples import at
from tests.people import ANA, BEN, GUEST

NOW = at("11:00")
WRITTEN = Lessons(deviation="3 totals below 0", to_do="backup at 04:30", owner=BEN.id, due=at("10:00", 30))


def said(drill: Run, lessons: Lessons | None, who: Person = ANA, seen: int = 0) -> str | None:
    click = Click("drawn before its copy was dropped", lessons=lessons, lessons_seen=seen)
    return why_not(LEARN, drill, who, ENTITLED, click, NOW)


@pytest.mark.parametrize("who", [who for who in WHO if who not in {"bystander", "guest"}])
@pytest.mark.parametrize("drill", [SUCCEEDED, FAILED])
def test_whoever_has_a_part_in_the_target_writes_down_what_was_learnt(drill: Run, who: str) -> None:
    assert said(drill, WRITTEN, WHO[who]) is None


@pytest.mark.parametrize("who", ["bystander", "guest"])
def test_nobody_else_does(who: str) -> None:
    assert said(FAILED, WRITTEN, WHO[who]) is not None


def test_there_is_nothing_to_learn_before_it_has_ended() -> None:
    assert "running now" in str(said(RUNNING, WRITTEN))


@pytest.mark.parametrize("state", STATES)
def test_it_is_for_drills_alone(state: str) -> None:
    assert not let_through(LEARN, state, "requester")


def test_the_form_opens_before_anything_is_written() -> None:
    assert LEARN.form(FAILED) is LESSONS
    assert said(FAILED, None) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"deviation": "", "to_do": ""}, "Nothing is written down yet"),
        ({"owner": ""}, "Choose who does"),
        ({"due": None}, "Choose the day"),
        ({"due": NOW - timedelta(days=1)}, "has begun already"),
    ],
)
def test_what_is_missing_is_said(changes: dict[str, object], words: str) -> None:
    assert words in str(said(FAILED, replace(WRITTEN, **changes)))  # type: ignore[arg-type]


def test_a_reason_is_enough_to_close_it() -> None:
    assert said(FAILED, replace(WRITTEN, closed="the batch runs at 04:00 now", due=None, owner="")) is None


def test_what_somebody_else_has_written_meanwhile_is_not_overwritten() -> None:
    written = having(FAILED, end_lessons=WRITTEN, end_lessons_by=BEN.id, end_lessons_seq=14)
    assert "Somebody else has written something down" in str(said(written, WRITTEN, seen=0))
    assert said(written, WRITTEN, seen=14) is None


def test_what_was_written_is_an_event_with_its_author() -> None:
    (event,) = events_for(LEARN, FAILED, ANA, Click(lessons=WRITTEN), NOW)
    assert event.by == ANA.id
    assert isinstance(event.fact, Learnt)
    learnt = machine.apply(FAILED, replace(event, seq=FAILED.seq + 1)).end
    assert (learnt.lessons, learnt.lessons_by, learnt.lessons_seq) == (WRITTEN, ANA.id, FAILED.seq + 1)


def test_a_guest_is_told_why() -> None:
    assert "guest" in str(said(FAILED, WRITTEN, GUEST)).casefold()


def test_the_machine_takes_it_of_no_rollback() -> None:
    (event,) = presses.events_for(LEARN, FAILED, ANA, Click(lessons=WRITTEN), NOW)
    with pytest.raises(machine.NotAllowed):
        machine.apply(STATES["succeeded"]().run, event)
