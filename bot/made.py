"""Tells what a run has made beside its targets, undo points and copies, and when each may be dropped."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.model import Do, Left, Outcome, State, Step
from bot.run import Run, StepRecord, StepState

KEPT_FOR_A_LOOK = timedelta(days=2)  # the copy of a drill that failed


def droppable(run: Run) -> Iterator[StepRecord]:
    """Yields each DROP of something that this run has made and that nothing of its own needs any more."""
    if run.state.final and not run.work.forgotten:
        for record in run.work.steps:
            if record.step.do is Do.DROP and record.state is StepState.WAITING and has_made(run, record.step):
                yield record


def has_made(run: Run, drop: Step) -> bool:
    """Whether there is something to drop."""
    if drop.drops is Do.SAVE:
        return drop.target in run.work.undo_points
    return bool(copies_of(run, drop.target))


def has_copy(run: Run) -> bool:
    """Whether the copy that a drill or a snapshot has made stands there, and nobody has begun to drop it."""
    drops = [record for record in run.work.steps if record.step.drops is Do.PREPARE]
    untouched = all(record.state is StepState.WAITING and not record.due for record in drops)
    return untouched and bool(copies_of(run, run.request.target))


def is_handing_over(run: Run) -> bool:
    """Whether the copy of a snapshot is being given away, or was: a stop would not bring it back."""
    return any(record.started_at and record.step.do is Do.HAND_OVER for record in run.work.steps)


def is_copy_gone(run: Run) -> bool:
    """Whether the copy that a drill or a snapshot has made was dropped, and its backend has said so."""
    drops = [record for record in run.work.steps if record.step.drops is Do.PREPARE]
    return bool(drops) and all(record.outcome is Outcome.SUCCEEDED for record in drops)


def is_backup_gone(run: Run) -> bool:
    """Whether what a backup has saved was dropped, and its backend has said so."""
    drops = [record for record in run.work.steps if record.step.drops is Do.SAVE]
    return run.is_backup and any(record.outcome is Outcome.SUCCEEDED for record in drops)


def copies_of(run: Run, target: str) -> tuple[str, ...]:
    """Returns the ids of the copies that may stand beside a target, those of earlier attempts first.

    Where no id was told, it is the op id. A copy that a restore has switched to is what is live; one that it
    may have switched to is none of these before another run has taken the target somewhere else.
    """
    of_target = [record for record in run.work.steps if record.step.target == target]
    gone = {copy for record in of_target for copy in record.gone}
    tried = [op for record in of_target if record.step.do is Do.PREPARE for op in record.tried]
    lefts = _lefts(run, target)
    if not lefts or (Left.POINT not in lefts and run.end.superseded_by is not None):
        tried += filter(None, [copy_of(run, target)])
    return tuple(copy for copy in tried if copy not in gone)


def may_be_live(run: Run, target: str) -> bool:
    """Whether a copy stands that nobody knows to be live or not: it is kept."""
    return copy_of(run, target) is not None and bool(_lefts(run, target)) and not copies_of(run, target)


def _lefts(run: Run, target: str) -> frozenset[Left]:
    """Returns what the restores of a target have left, where they may have used the copy."""
    restores = (record for record in run.work.restores if record.step.target == target)
    return frozenset(record.left for record in restores if record.left not in {None, Left.BEFORE})


def copy_of(run: Run, target: str) -> str | None:
    """Returns the id of the copy of the attempt that counts; None: none was begun."""
    begun = (r.op for r in run.work.steps if r.step.do is Do.PREPARE and r.step.target == target)
    return run.work.prepared.get(target) or next(begun, None)


def drop_due_at(run: Run, record: StepRecord) -> datetime | None:
    """Returns when a DROP may be done at the earliest; None: its run is not over."""
    if record.kept_until is not None or run.end.at is None:
        return record.kept_until
    kept = None if run.approval.plan.keep is None else run.end.at + timedelta(seconds=run.approval.plan.keep)
    if record.step.drops is Do.SAVE:
        return kept if run.is_backup else run.approval.plan.undo_until(run.end.at)
    if run.is_snapshot and run.state is State.SUCCEEDED:
        return kept
    is_worth_a_look = run.is_drill and run.state is State.FAILED and run.work.findings
    return run.end.at + KEPT_FOR_A_LOOK if is_worth_a_look else run.end.at
