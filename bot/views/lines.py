"""One plain sentence for each event of a run, for the Details modal, the run page and the timeline.

The reader's place decides how they are shown: `name` turns a Slack user id into what can be shown there,
`shown` a text from outside.
"""

from collections.abc import Callable, Mapping

from bot.event_kinds import EventKind as E
from bot.events import Event
from bot.model import Purpose, Step
from bot.run import Run
from bot.views.steps import step_name

Name = Callable[[str], str]
Shown = Callable[[str], str]

# {who} the person, {why} what was said with it, {step} the step, {words} how it ended, {code} of the plan
_SENTENCES: Mapping[E, str] = {
    E.REQUESTED: "{who} asked: {deed}",
    E.PLANNED: "Plan {code} was made",
    E.REFUSED: "Refused{why}",
    E.POSTED: "The card was posted, the time to approve runs",
    E.APPROVED: "{who} approved plan {code}",
    E.QUORUM_REACHED: "Enough people have approved",
    E.VETOED: "{who} rejected it{why}",
    E.REASON_GIVEN: "{who} gave the reason{why}",
    E.CANCELLED: "{who} cancelled it{why}",
    E.CARD_IMPOSSIBLE: "{who} cancelled it{why}",
    E.EXPIRED: "The time was over{why}",
    E.VOIDED: "The approval no longer counted{why}",
    E.VOIDED_BY_RESTORE: "The approval no longer counted{why}",
    E.STARTED: "Started",
    E.STEP_STARTED: "{step}: begins",
    E.STEP_ACCEPTED: "{step}: the backend took it",
    E.STEP_SUCCEEDED: "{step}: done{words}",
    E.STEP_FAILED: "{step}: failed{words}",
    E.STEP_STOPPED: "{step}: failed, and the procedure ends there{words}",
    E.STEP_LOST: "{step}: not known how it ended{words}",
    E.STEP_ABSENT: "{step}: looked, it never happened",
    E.BASELINE_TAKEN: "{step}: done",
    E.LOSS_MEASURED: "{step}: done",
    E.REVIEWED: "Looked again: the approval still counts",
    E.LOSS_OUTGROWN: "More would be lost than was approved{why}",
    E.CHECKPOINT_REACHED: "Waiting for a yes: {question}",
    E.CONFIRMED: "{who} said yes, go on",
    E.PREPARED: "Prepared",
    E.RESTORED: "Restored",
    E.CHECKS_PASSED: "The checks passed",
    E.CHECKS_FAILED: "The checks failed{why}",
    E.CHECKS_INCONCLUSIVE: "The checks could not tell{why}",
    E.STOP_REQUESTED: "{who} asked to stop{why}",
    E.STOPPED: "Stopped, no next step",
    E.HALTED: "Stopped, no next step{why}",
    E.HALTED_BY_RESTORE: "Stopped, no next step{why}",
    E.DOUBTED: "{step}: not known how it ended{why}",
    E.DOUBTED_BY_RESTORE: "{step}: not known how it ended{why}",
    E.RETRIED: "{who} had it looked at again",
    E.CONTINUE_PROPOSED: "{who} wants to go on against the checks{why}",
    E.CONTINUED: "{who} agreed to go on against the checks{why}",
    E.ENDED: "{who} ended it{why}",
    E.ENDED_BY_UNDO: "{who} ended it{why}",
    E.RESOLVE_PROPOSED: "{who} looked and said: {answer}{why}",
    E.RESOLVED_POINT: "{who} agreed: it was done{why}",
    E.RESOLVED_UNCHANGED: "{who} agreed: it is as before{why}",
    E.RESOLVED_UNCLEAR: "{who} agreed: not clear yet{why}",
    E.LEAVE_PROPOSED: "{who} wants to leave maintenance{why}",
    E.LEAVE_AGREED: "{who} agreed to leave maintenance{why}",
    E.SUCCEEDED: "Ended well",
}
_ANSWERS: Mapping[str, str] = {
    "point": "it was done",
    "unchanged": "it is as before",
    "unclear": "not clear yet",
}


def event_words(event: Event, run: Run, name: Name, shown: Shown) -> str:
    """Returns what is said of it. `run` is the run as it is now; only what never changes of that is said."""
    fact = event.fact
    step = _step(run, getattr(fact, "n", None))
    answer = getattr(fact, "answer", "")
    return _SENTENCES[event.kind].format(
        who=name(event.by) if event.by else "The bot",
        why=_after(getattr(fact, "why", ""), shown),
        words=_after(getattr(fact, "words", ""), shown),
        step=_step_of(run, step, shown),
        question=f"“{shown(step.text)}”" if step else "a checkpoint",
        answer=_ANSWERS.get(answer) or shown(answer),
        code=run.code,
        deed=_deed(run, shown),
    )


def _after(said: str, shown: Shown) -> str:
    """After a colon; nothing when nothing was said."""
    return f": {shown(said)}" if said else ""


def _step(run: Run, n: int | None) -> Step | None:
    """By its number; a checkpoint that is reached carries none, it is the current one."""
    if n is None:
        return run.work.current.step if run.work.current else None
    return next((record.step for record in run.work.steps if record.step.n == n), None)


def _step_of(run: Run, step: Step | None, shown: Shown) -> str:
    if step is None:
        return "A step"
    return (
        step_name(step) if step.target == run.request.target else f"{step_name(step)} of {shown(step.target)}"
    )


def _deed(run: Run, shown: Shown) -> str:
    if run.request.purpose is Purpose.UNDO and run.request.undo_of:
        return f"undo {run.request.undo_of} on {shown(run.request.target)}"
    return f"roll back {shown(run.request.target)}"
