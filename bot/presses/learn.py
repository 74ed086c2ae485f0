"""*Add what we learnt…* and *Say what went wrong…*: people write down what a drill has shown them."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.envelope import Event
from bot.events import Learnt
from bot.lessons import NOTHING_LEARNT, Lessons
from bot.model import Person, State
from bot.policy import PersonRole
from bot.presses.press import THEM, Asks, Attempt, Click, Form, Press, Right, said
from bot.run import Run

RIGHT = Right(THEM | {PersonRole.MAY_ASK}, frozenset({State.SUCCEEDED, State.FAILED}))
LESSONS = Form("lessons", "learnt")
LATEST = timedelta(days=90)  # for what is to be done: nobody is reminded of it before


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    assert click.lessons is not None  # `why_not` let it through
    return (said(Learnt(lessons=click.lessons), person, now),)


def why_not_now(attempt: Attempt) -> str | None:
    if attempt.run.is_drill or attempt.run.is_rehearsal:
        return None
    return f"{attempt.run.id} is no drill, so there is nothing to write down here."


def why_not(attempt: Attempt) -> str | None:
    lessons, known = attempt.click.lessons, attempt.run.end
    if lessons is None:
        return None  # the form is opened
    if attempt.click.lessons_seen != known.lessons_seq:
        return "Somebody else has written something down meanwhile. Open the form again to see it."
    if replace(lessons, participants=(), owner="", due=None) == NOTHING_LEARNT:
        return "Nothing is written down yet. Say at least what was otherwise than expected."
    return _why_not_followed(lessons, attempt.now)


def _why_not_followed(lessons: Lessons, now: datetime) -> str | None:
    if not lessons.to_do or lessons.closed:
        return None
    if not lessons.owner:
        return "Choose who does what is to be done."
    if lessons.due is None:
        return "Choose the day by which it is to be done."
    if lessons.due <= now:
        return "The day by which it is to be done has begun already. Choose a later one."
    if lessons.due > now + LATEST:
        return f"What a drill has shown is done within {LATEST.days} days. Choose an earlier day."
    return None


LEARN = Press(
    action_id="learn",
    verb="write down what was learnt from",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
    why_not=why_not,
    asks=(Asks(LESSONS),),
    on_any_drawing=True,
)
