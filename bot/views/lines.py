"""One plain sentence for each event of a run, for the Details modal, the run page and the timeline.

The reader's place decides how they are shown: `name` turns a Slack user id into what can be shown there,
`shown` a text from outside.
"""

from collections.abc import Callable, Mapping

from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.events import DropPutOff, Learnt
from bot.lessons import Lessons
from bot.model import Purpose, Step
from bot.run import Run
from bot.views.steps import step_name
from bot.views.words import date

Name = Callable[[str], str]
Shown = Callable[[str], str]

# {who} the person, {why} what was said with it, {step} the step, {words} how it ended, {code} of the plan
_SENTENCES: Mapping[EventKind, str] = {
    EventKind.REQUESTED: "{who} asked: {deed}",
    EventKind.PLANNED: "Plan {code} was made",
    EventKind.REFUSED: "Refused{why}",
    EventKind.POSTED: "The card was posted, the time to approve runs",
    EventKind.APPROVED: "{who} approved plan {code}",
    EventKind.QUORUM_REACHED: "Enough people have approved",
    EventKind.VETOED: "{who} rejected it{why}",
    EventKind.REASON_GIVEN: "{who} gave the reason{why}",
    EventKind.CANCELLED: "{who} cancelled it{why}",
    EventKind.CARD_IMPOSSIBLE: "{who} cancelled it{why}",
    EventKind.EXPIRED: "The time was over{why}",
    EventKind.HELD_UP: "Not begun yet{why}",
    EventKind.VOIDED: "The approval no longer counted{why}",
    EventKind.VOIDED_BY_RESTORE: "The approval no longer counted{why}",
    EventKind.STARTED: "Started",
    EventKind.STEP_STARTED: "{step}: begins",
    EventKind.STEP_ACCEPTED: "{step}: the backend took it",
    EventKind.STEP_SUCCEEDED: "{step}: done{words}",
    EventKind.STEP_FAILED: "{step}: failed{words}",
    EventKind.STEP_STOPPED: "{step}: failed, and the procedure ends there{words}",
    EventKind.STEP_LOST: "{step}: not known how it ended{words}",
    EventKind.STEP_ABSENT: "{step}: looked, it never happened",
    EventKind.STEP_TAKEN_BACK: "{step}: stopped, nothing was changed{words}",
    EventKind.BASELINE_TAKEN: "{step}: done",
    EventKind.LOSS_MEASURED: "{step}: done",
    EventKind.REVIEWED: "Looked again: the approval still counts",
    EventKind.LOSS_OUTGROWN: "More would be lost than was approved{why}",
    EventKind.CHECKPOINT_REACHED: "Waiting for a yes: {question}",
    EventKind.CONFIRMED: "{who} said yes, go on",
    EventKind.PREPARED: "Prepared",
    EventKind.RESTORED: "Restored",
    EventKind.CHECKS_PASSED: "The checks passed",
    EventKind.CHECKS_FAILED: "The checks failed{why}",
    EventKind.CHECKS_INCONCLUSIVE: "The checks could not tell{why}",
    EventKind.STOP_REQUESTED: "{who} asked to stop{why}",
    EventKind.STOPPED: "Stopped, no next step",
    EventKind.HALTED: "Stopped, no next step{why}",
    EventKind.HALTED_BY_RESTORE: "Stopped, no next step{why}",
    EventKind.DOUBTED: "{step}: not known how it ended{why}",
    EventKind.DOUBTED_BY_RESTORE: "{step}: not known how it ended{why}",
    EventKind.RETRIED: "{who} had it looked at again",
    EventKind.CONTINUE_PROPOSED: "{who} wants to go on against the checks{why}",
    EventKind.CONTINUED: "{who} agreed to go on against the checks{why}",
    EventKind.ENDED: "{who} ended it{why}",
    EventKind.ENDED_BY_UNDO: "{who} ended it{why}",
    EventKind.RESOLVE_PROPOSED: "{who} looked and said: {answer}{why}",
    EventKind.RESOLVED_POINT: "{who} agreed: it was done{why}",
    EventKind.RESOLVED_UNCHANGED: "{who} agreed: it is as before{why}",
    EventKind.RESOLVED_UNCLEAR: "{who} agreed: not clear yet{why}",
    EventKind.LEAVE_PROPOSED: "{who} wants to leave maintenance{why}",
    EventKind.LEAVE_AGREED: "{who} agreed to leave maintenance{why}",
    EventKind.DROP_DUE: "{step}: its time has come",
    EventKind.DROP_PUT_OFF: "{step}: kept until {until}{why}",
    EventKind.SUPERSEDED: "Another run has taken the target somewhere else: it is at {point} by {by_run}",
    EventKind.LEARNT: "{who} wrote down what was learnt{learnt}",
    EventKind.SUCCEEDED: "Ended well",
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
    if getattr(fact, "standing", ""):
        does = "what is live is saved" if run.is_backup else "only a copy is made and looked at"
        return f"The configuration agrees to it: {does}"
    if event.kind is EventKind.DROP_DUE and event.by:
        return f"{name(event.by)} asked for it: {_step_of(run, step, shown)}"
    return _SENTENCES[event.kind].format(
        who=name(event.by) if event.by else "The bot",
        why=_after(getattr(fact, "why", ""), shown),
        words=_after(getattr(fact, "words", ""), shown),
        step=_step_of(run, step, shown),
        question=f"“{shown(step.text)}”" if step else "a checkpoint",
        answer=_ANSWERS.get(answer) or shown(answer),
        code=run.code,
        deed=_deed(run, shown),
        point=shown(getattr(fact, "point", "")),
        by_run=shown(getattr(fact, "by_run", "")),
        until=date(fact.until, event.at) if isinstance(fact, DropPutOff) else "",
        learnt=_after(_learnt(fact.lessons), shown) if isinstance(fact, Learnt) else "",
    )


def _after(said: str, shown: Shown) -> str:
    """After a colon; nothing when nothing was said."""
    return f": {shown(said)}" if said else ""


def _learnt(lessons: Lessons) -> str:
    return "; ".join(filter(None, (lessons.deviation, lessons.to_do, lessons.closed)))


def _step(run: Run, n: int | None) -> Step | None:
    """Returns a step by its number; a checkpoint that is reached carries none, it is the current one."""
    if n is None:
        return run.work.current.step if run.work.current else None
    return next((record.step for record in run.work.steps if record.step.n == n), None)


def _step_of(run: Run, step: Step | None, shown: Shown) -> str:
    if step is None:
        return "A step"
    name = step_name(run, step)
    return name if step.target == run.request.target else f"{name} of {shown(step.target)}"


def _deed(run: Run, shown: Shown) -> str:
    if run.request.purpose is Purpose.UNDO and run.request.undo_of:
        return f"undo {run.request.undo_of} on {shown(run.request.target)}"
    if run.is_drill:
        return f"a drill of {shown(run.request.target)}"
    if run.is_snapshot:
        return f"a snapshot of {shown(run.request.target)}"
    if run.is_rehearsal:
        return f"a rehearsal of {shown(run.request.drilled)} on {shown(run.request.target)}"
    if run.is_backup:
        return f"a backup of {shown(run.request.target)}"
    return f"roll back {shown(run.request.target)}"
