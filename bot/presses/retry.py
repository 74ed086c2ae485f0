"""*Check again*, *Look again*, *Verify again*: reads. A step is repeated only if it was surely not done."""

from datetime import datetime

from bot import machine
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.events import Retried
from bot.model import Person, State
from bot.presses.press import THEM, Attempt, Click, Press, Right, said
from bot.run import Pause, Run

RIGHT = Right(THEM, frozenset({State.PAUSED, State.STUCK, State.SUCCEEDED}))


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    return (said(Retried(), person, now),)


def why_not_now(attempt: Attempt) -> str | None:
    run = attempt.run
    if run.state is State.SUCCEEDED and not machine.allows(run, EventKind.RETRIED):
        return f"{run.id} has no copy to look at, or it is being looked at. The card shows what was seen."
    if not machine.allows(run, EventKind.RETRIED):
        return (
            f"{run.id} was under way in a backup that our database was put back from, so looking at one step "
            f"cannot tell what is live. {_way_out(run)}"
        )
    if run.question.pause in {Pause.CHECKPOINT, Pause.STOPPED}:
        return (
            f"{run.id} waits for a yes or an end, there is nothing to look at. The card shows what is "
            "possible."
        )
    return None


def _way_out(run: Run) -> str:
    if run.state is State.STUCK:
        return "Look at the target yourself, and press *Say what is live…*."
    return "Press *End it…*, and ask again."


RETRY = Press(
    action_id="retry",
    verb="look again at",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
)
