"""Whether what a run has made may be dropped now. Pure: who reads what is live is the planner.

Nothing goes that is live, that something else still names, or that is not surely what the run has made:
better one undo point too many than one too few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.configuration import Target
from bot.model import Do, Left, PointKind, Points, RestorePoint, Step
from bot.run import Run
from bot.suggesting import Hold, earlier
from bot.times import is_of_the_future

SOON_SECONDS = 3_600.0  # when what stands against it may pass by itself
LATER_SECONDS = 7 * 86_400.0  # when somebody has to do something about it


@dataclass(frozen=True, slots=True)
class Keep:
    why: str  # one sentence
    seconds: float  # until the next look


@dataclass(frozen=True, slots=True)
class Around:
    """Holds what else there is of the target of a run, when something of it may be dropped."""

    open_run: str | None = None
    moved: Sequence[Run] = ()  # those that may have changed what is live, the run itself among them
    holds: Sequence[Hold] = ()
    beside: Sequence[Run] = ()  # open drills, and snapshots that stand
    newest_backup: str | None = None  # the newest backup by the clock that is good and still listed: its run


def why_keep(run: Run, step: Step, around: Around, points: Points, now: datetime) -> Keep | None:
    """Returns why it is kept for longer; None: it may go."""
    is_copy = run.is_beside and step.drops is Do.PREPARE  # which has no part in any other run
    if around.open_run is not None and not is_copy:
        return Keep(f"{around.open_run} is under way on `{step.target}`.", SOON_SECONDS)
    if step.drops is not Do.SAVE:
        return None
    for other in around.beside:
        if other.approval.planned and other.approval.plan.point.id == run.work.undo_points[step.target]:
            seconds = LATER_SECONDS if other.state.final else SOON_SECONDS
            return Keep(f"{other.id} is a {other.request.purpose} of it.", seconds)
    if not points.whole and all(point.id != run.work.undo_points[step.target] for point in points.points):
        return Keep("Not all restore points could be read, so nobody knows what it holds.", SOON_SECONDS)
    newest = run.work.undo_points[step.target] == newest_good(points, now) or run.id == around.newest_backup
    if run.is_backup and newest:
        return Keep(f"It is the newest backup of `{step.target}` that is good.", SOON_SECONDS)
    why = _why_open(run) or _why_needed(run, step, around, points, now) or _why_foreign(run, step, points)
    return None if why is None else Keep(why, LATER_SECONDS)


def _why_open(run: Run) -> str | None:
    """Says what is still to be settled, and until then may need the way back."""
    if run.end.superseded_by is not None or run.end.undone_by is not None:
        return None
    if run.work.live in {Left.UNKNOWN, Left.PARTIAL}:
        return f"{run.id} ended, and nobody knows for sure what is live since."
    return f"{run.id} has left customers in maintenance." if run.work.in_maintenance else None


def _why_needed(run: Run, step: Step, around: Around, points: Points, now: datetime) -> str | None:
    undo_point = run.work.undo_points[step.target]
    if undo_point in {points.current.id, *(point.id for point in points.points if point.current)}:
        return "It is what is live now."
    held = [hold.run for hold in around.holds if (hold.target, hold.point) == (step.target, undo_point)]
    if held:
        return f"It is on hold since {held[0]}."
    for other in around.moved:
        if other.id == run.id or not other.can_be_undone(now):
            continue
        if other.work.undo_points.get(step.target) == undo_point:
            return f"It is the undo point of {other.id} as well."
        if (step.target, undo_point) in {(leg.target, leg.point.id) for leg in other.approval.plan.legs}:
            return f"{other.id} was restored from it, and what that has removed can be listed for as long."
    newest = next(earlier(points), None)
    if newest is not None and newest.id == undo_point:
        return f"It is the newest restore point of `{step.target}` that is older than what is live."
    return None


def kept_by_rule(backup: Run, target: Target, now: datetime) -> Keep | None:
    """Returns why a backup stays by the configuration of now, which is what agrees to its end."""
    if target.backup is None:
        words = f"The configuration has no backups of `{target.name}` any more, so nobody agrees to its end."
        return Keep(words, LATER_SECONDS)
    ended = backup.end.at or now
    left = (ended - now).total_seconds() + target.backup.keep
    return Keep("By now backups are kept for longer.", left) if left > 0 else None


def newest_good(points: Points, now: datetime) -> str | None:
    """Returns the id of the newest backup against which nothing is known; None: there is none."""
    good = [
        (point.at, point.id)
        for point in points.points
        if point.kind is PointKind.BACKUP
        and point.at is not None
        and not is_of_the_future(point.at, now)
        and point.failed_at is None
        and not point.doubt
    ]
    return max(good)[1] if good else None


def _why_foreign(run: Run, step: Step, points: Points) -> str | None:
    """Says why what is listed under its name is not what the run has made."""
    content, begun = run.work.undo_contents.get(step.target, ""), run.work.started_at
    for point in _listed(run.work.undo_points[step.target], points):
        if content and point.fingerprint and point.fingerprint != content:
            return f"Under its name is another content now, `{point.fingerprint[:16]}`."
        if point.at is None:
            return f"Nobody knows when it was made, so the backend may have had it before {run.id}."
        if begun is not None and is_of_the_future(begun, point.at):
            return f"It is older than {run.id}, so the backend had it already."
    return None


def _listed(name: str, points: Points) -> Sequence[RestorePoint]:
    return [point for point in points.points if point.id == name]
