"""*Drop…*: the copy of a snapshot goes before its time. The manifest stays."""

from datetime import datetime

from bot.envelope import Event
from bot.events import DropDue
from bot.made import droppable, has_copy
from bot.model import Person, State
from bot.presses.press import DIALOG, THEM, Asks, Attempt, Click, Press, Right
from bot.run import Run

RIGHT = Right(THEM, frozenset({State.SUCCEEDED}))


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    return tuple(Event(DropDue(record.step.n), now, person.id) for record in droppable(run))


def why_not_now(attempt: Attempt) -> str | None:
    if attempt.run.is_snapshot and has_copy(attempt.run) and any(droppable(attempt.run)):
        return None
    return f"{attempt.run.id} has no copy that could be dropped. The card shows what there is."


DROP_SNAPSHOT = Press(
    action_id="drop_snapshot",
    verb="drop the copy of",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
    asks=(Asks(DIALOG),),
    on_any_drawing=True,
)
