"""*Cancel* and *Stop…*: before the first intent nothing will run, later no next step is started."""

from datetime import datetime

from bot import machine
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.events import Cancelled, StopRequested
from bot.made import is_handing_over
from bot.model import Person, State
from bot.presses.press import BEFORE_EFFECT, DIALOG, THEM, Asks, Attempt, Click, Form, Press, Right, said
from bot.run import Run

RIGHT = Right(THEM, BEFORE_EFFECT | {State.REQUESTED})
STOP_FORM = Form("stop", "stop_run")


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    word = Cancelled if machine.allows(run, EventKind.CANCELLED) else StopRequested
    return (said(word(why=click.why), person, now),)


def why_not_now(attempt: Attempt) -> str | None:
    run = attempt.run
    if run.state is State.PAUSED and run.work.touched:
        return f"{run.id} has stopped already and waits for a decision. Press *End it…* to end it."
    if is_handing_over(run):
        return f"{run.id} is handing its copy over, which nobody can take back. The card shows how it ends."
    if run.work.stop_requested:
        return f"Somebody asked {run.id} to stop already: no next step starts. The card shows how it goes on."
    return None


def _stops_a_step(run: Run) -> bool:
    return run.state is State.RUNNING and run.work.touched


def _ends_it(run: Run) -> bool:
    return run.state is not State.RUNNING or run.work.only_copied


CANCEL = Press(
    action_id="cancel",
    verb="stop",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
    asks=(Asks(STOP_FORM, _stops_a_step), Asks(DIALOG, _ends_it)),
    no=EventKind.CANCELLED,
    brakes=True,
)
