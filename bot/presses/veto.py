"""*Reject*: the click itself ends the request, until the first intent on the target; why is asked later."""

from datetime import datetime

from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.events import ReasonGiven, Vetoed
from bot.model import Person
from bot.policy import PersonRole
from bot.presses.press import BEFORE_EFFECT, Attempt, Click, Form, Press, Right, said
from bot.run import Run

RIGHT = Right(frozenset({PersonRole.APPROVER, PersonRole.OWNER}), BEFORE_EFFECT)
REASON = Form("veto_reason", "veto_run")


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    return (said(Vetoed(why=click.why), person, now),)


def reason_events(run: Run, person: Person, why: str, now: datetime) -> tuple[Event, ...]:
    """Returns what the form afterwards records; nothing unless the person who rejected gives a reason."""
    if not why or run.end.by != person.id:
        return ()
    return (said(ReasonGiven(why=why), person, now),)


def why_not_now(attempt: Attempt) -> str | None:
    run = attempt.run
    if run.work.touched:
        return (
            f"{run.id} has begun to change `{run.request.target}`, so a rejection comes too late. "
            "Press *Stop…* to stop before the next step."
        )
    return None


VETO = Press(
    action_id="veto",
    verb="reject",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
    then=REASON,
    no=EventKind.VETOED,
    brakes=True,
)
