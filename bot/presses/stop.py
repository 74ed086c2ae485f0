"""*End it…*: a paused run ends failed, and stays as it is."""

from datetime import datetime

from bot.envelope import Event
from bot.events import EndedByPeople
from bot.model import Person, State
from bot.presses.press import THEM, Asks, Click, Form, Press, Right, said
from bot.run import Run

RIGHT = Right(THEM, frozenset({State.PAUSED}))
END_IT = Form("end_it", "stop_run")


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    return (said(EndedByPeople(why=click.why), person, now),)


STOP = Press(
    action_id="stop",
    verb="end",
    right=RIGHT,
    events=events,
    asks=(Asks(END_IT),),
    brakes=True,
)
