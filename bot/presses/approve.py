"""*Approve and start*, *Approve 1 of 2*: the last approval that is needed starts the run."""

from datetime import datetime, timedelta

from bot.envelope import Event
from bot.events import Approved, QuorumReached
from bot.model import Person, Risk, State
from bot.policy import Entitled, PersonRole, can, humans, marks, mentions, same_human
from bot.presses.press import DIALOG, Asks, Attempt, Click, Form, Press, Right, said
from bot.run import Run
from bot.spelling import listed

RIGHT = Right(frozenset({PersonRole.APPROVER}), frozenset({State.AWAITING_APPROVAL}))
CODE = Form("approve", "approve_run")
TOO_QUICK = timedelta(seconds=1)  # an approval this soon after the posting was not read


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    approved = said(Approved(), person, now)
    reached = len(run.approval.given) + 1 >= run.approval.plan.approvals_needed
    return (approved, Event(QuorumReached(), now)) if reached else (approved,)


def why_not_now(attempt: Attempt) -> str | None:
    """Says more than the right does: why it is somebody else who must approve."""
    run, person, entitled = attempt.run, attempt.person, attempt.entitled
    if same_human(run.request.requester, person):
        return f"You asked for this rollback, so you cannot approve it. {_others(run, person, entitled)}"
    if any(approval.marks & marks(person) for approval in run.approval.given):
        return f"You have approved {run.id} already. {_others(run, person, entitled)}"
    if PersonRole.APPROVER in entitled.roles(person, run):
        return None
    if entitled.unread:
        return (
            f"Slack could not tell who is in {listed(entitled.unread, 'or')} just now, so nobody can be let "
            "through. Try again in a moment."
        )
    return f"You are not among the approvers of `{run.request.target}`. {_others(run, person, entitled)}"


def why_not(attempt: Attempt) -> str | None:
    run, now = attempt.run, attempt.now
    if not run.approval.plan.pins:
        return f"{run.id} was planned by an older version of the bot. Press *Ask again* for a fresh plan."
    if run.approval.posted_at is None or run.approval.approve_by is None:
        return f"The card of {run.id} is not posted yet, so it cannot be approved. Try again in a moment."
    if now >= run.approval.approve_by:
        return (
            f"{run.id} could be approved until {run.approval.approve_by:%H:%M} UTC. Press *Ask again* for a "
            "fresh plan."
        )
    if now - run.approval.posted_at < TOO_QUICK:
        return f"{run.id} was posted less than a second ago. Read what it removes, then press again."
    if is_critical(run) and attempt.click.code.strip().lower() != run.code[:4]:
        return (
            "That is not the code of this plan. Type the first four characters of the code on the card of "
            f"{run.id}."
        )
    return None


def is_critical(run: Run) -> bool:
    return run.approval.planned is not None and run.approval.plan.risk is Risk.CRITICAL


def _others(run: Run, person: Person, entitled: Entitled) -> str:
    spoken = [
        marks(run.request.requester),
        marks(person),
        *(approval.marks for approval in run.approval.given),
    ]
    others = [p for p in humans(entitled.able()) if not any(marks(p) & word for word in spoken)]
    return can(mentions(others)) if others else "Nobody else can approve it at the moment."


APPROVE = Press(
    action_id="approve",
    verb="approve",
    right=RIGHT,
    events=events,
    why_not_now=why_not_now,
    why_not=why_not,
    asks=(Asks(CODE, is_critical), Asks(DIALOG)),
)
