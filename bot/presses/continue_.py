"""*Yes, go on*, *Go online anyway…* and *Leave maintenance…*: on from where people must decide.

One person says yes at a checkpoint or after a stop; against the checks it takes two and a reason.
"""

from datetime import datetime

from bot.envelope import Event
from bot.events import Confirmed, Continued, ContinueProposed, LeaveAgreed, LeaveProposed
from bot.model import Person, State
from bot.policy import PersonRole, can, marks, mentions, same_human
from bot.presses.agreement import first_word, why_not_twice
from bot.presses.press import DIALOG, THEM, Asks, Attempt, Click, Form, Press, Right, said
from bot.run import Matter, Pause, Proposal, Run

RIGHT = Right(THEM, frozenset({State.PAUSED, State.FAILED}))
GO_ONLINE = Form("go_online", "stop_run")
LEAVE_MAINTENANCE = Form("leave_maintenance", "stop_run")
ONE_YES = frozenset({Pause.CHECKPOINT, Pause.STOPPED})


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    if run.question.pause in ONE_YES:
        return (said(Confirmed(), person, now),)
    second = _first_word(run, click) is not None
    if run.state is State.FAILED:
        leave = LeaveAgreed if second else LeaveProposed
        return (said(leave(why=click.why), person, now),)
    go_on = Continued if second else ContinueProposed
    return (said(go_on(why=click.why), person, now),)


def why_not_now(attempt: Attempt) -> str | None:
    if not _can_continue(attempt.run):
        return f"{attempt.run.id} cannot go on from here. The card shows what is possible."
    return None


def why_not(attempt: Attempt) -> str | None:
    if attempt.run.question.pause not in ONE_YES:
        return _why_not_against_the_checks(attempt)
    run, entitled = attempt.run, attempt.entitled
    if entitled.roles(attempt.person, run) & {PersonRole.REQUESTER, PersonRole.APPROVER}:
        return None
    return f"Only the requester or an approver can say yes here: {RIGHT.who_can(run, entitled)}"


def _can_continue(run: Run) -> bool:
    if run.state is State.FAILED:
        return run.work.in_maintenance and not run.end.leave_agreed
    return run.question.pause in ONE_YES or run.question.pause is Pause.CHECKS


def _first_word(run: Run, click: Click) -> Proposal | None:
    matter = Matter.LEAVE if run.state is State.FAILED else Matter.CONTINUE
    return first_word(run, matter, click.answer)


def _why_not_against_the_checks(attempt: Attempt) -> str | None:
    """Wants two people who agree, and among them an approver who is not the requester."""
    if not attempt.click.why.strip():
        return "Say why in one sentence: it is kept with the run."
    first = _first_word(attempt.run, attempt.click)
    if first is None:
        return None
    if reason := why_not_twice(attempt, first, RIGHT):
        return reason
    approvers = [p for p in attempt.entitled.able() if not same_human(p, attempt.run.request.requester)]
    if not any(marks(p) & (first.marks | marks(attempt.person)) for p in approvers):
        return f"One of the two must be an approver: {can(mentions(approvers))}"
    return None


def _has_failed(run: Run) -> bool:
    return run.state is State.FAILED


def _checks_say_no(run: Run) -> bool:
    return run.question.pause is Pause.CHECKS


CONTINUE = Press(
    action_id="continue",
    verb="go on with",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
    why_not=why_not,
    asks=(Asks(LEAVE_MAINTENANCE, _has_failed), Asks(GO_ONLINE, _checks_say_no), Asks(DIALOG)),
)
