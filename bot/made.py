"""What a run has made beside its targets: undo points and copies, and from when each may be dropped."""

from collections.abc import Iterator
from datetime import datetime

from bot.model import Do, Left, Step
from bot.run import Run, StepRecord, StepState


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


def copies_of(run: Run, target: str) -> tuple[str, ...]:
    """Returns the ids of the copies that may stand beside a target, those of earlier attempts first.

    Where no id was told, it is the op id. A copy that a restore may have switched to is what is live now.
    """
    of_target = [record for record in run.work.steps if record.step.target == target]
    gone = {copy for record in of_target for copy in record.gone}
    tried = [op for record in of_target if record.step.do is Do.PREPARE for op in record.tried]
    if all(record.left in {None, Left.BEFORE} for record in of_target if record.step.do is Do.RESTORE):
        tried += filter(None, [copy_of(run, target)])
    return tuple(copy for copy in tried if copy not in gone)


def copy_of(run: Run, target: str) -> str | None:
    """Returns the id of the copy of the attempt that counts; None: none was begun."""
    begun = (r.op for r in run.work.steps if r.step.do is Do.PREPARE and r.step.target == target)
    return run.work.prepared.get(target) or next(begun, None)


def drop_due_at(run: Run, record: StepRecord) -> datetime | None:
    """Returns when a DROP may be done at the earliest; None: its run is not over."""
    if record.kept_until is not None or run.end.at is None:
        return record.kept_until
    return run.end.at if record.step.drops is Do.PREPARE else run.approval.plan.undo_until(run.end.at)
