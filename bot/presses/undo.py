"""*Undo…*: asks for a run of its own, with its own plan and its own approval."""

from bot.model import State
from bot.policy import PersonRole
from bot.presses.press import Asks, Attempt, Form, Press, Right

RIGHT = Right(frozenset({PersonRole.MAY_ASK}), frozenset({State.PAUSED, State.SUCCEEDED, State.FAILED}))
UNDO_FORM = Form("undo")  # sent like the start form: it asks for a new run


def why_not_now(attempt: Attempt) -> str | None:
    run, now = attempt.run, attempt.now
    if not run.work.undo_points:
        return (
            f"{run.id} has no undo point, so it cannot be undone from here. Use "
            f"`/rollback {run.request.target}` to choose a restore point."
        )
    if run.end.superseded_by:
        return (
            f"{run.end.superseded_by} has taken `{run.request.target}` somewhere else since. "
            "Look at its card."
        )
    if run.end.undone_by:
        return f"{run.id} is being undone by {run.end.undone_by} already."
    if run.approval.planned is not None and now >= run.approval.plan.undo_until(run.end.at or now):
        return (
            f"{run.id} could be undone for {run.approval.plan.undo_days} days. Use "
            f"`/rollback {run.request.target}` to choose a restore point."
        )
    return None


UNDO = Press(
    action_id="undo",
    verb="undo",
    right=RIGHT,
    why_not_now=why_not_now,
    asks=(Asks(UNDO_FORM),),
)
