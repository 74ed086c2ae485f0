"""From a goal to one exact restore point, among those that a backend listed.

Nothing is looked up here: a name is matched to what was offered, never taken further.
"""

from collections.abc import Sequence
from datetime import datetime

from bot.contract import PointUnavailable, Unsupported
from bot.model import Goal, RestorePoint
from bot.spelling import SHORT_CHARACTERS, near
from bot.times import moment


def point_for(goal: Goal, points: Sequence[RestorePoint]) -> RestorePoint:
    """Raises PointUnavailable, which names the nearest points, and Unsupported for the undo of a run."""
    if goal.point is not None:
        return named(goal.point, points)
    if goal.before is not None:
        return _newest_at(goal.before, points)
    raise Unsupported("An undo goes back to the undo point of its run: name that restore point.")


def named(name: str, points: Sequence[RestorePoint]) -> RestorePoint:
    for point in points:
        if point.id == name:
            return point
    raise PointUnavailable(f"There is no restore point `{_shown(name)}`{_nearest_to(name, points)}.")


def _newest_at(before: datetime, points: Sequence[RestorePoint]) -> RestorePoint:
    dated = sorted((point.at, point.id, point) for point in points if point.at is not None)
    reached = [point for at, _, point in dated if at <= before]
    if reached:
        return reached[-1]
    nearest = f"; the nearest is `{dated[0][1]}` of {moment(dated[0][0])}" if dated else ""
    raise PointUnavailable(f"There is no restore point at or before {moment(before)}{nearest}.")


def _nearest_to(name: str, points: Sequence[RestorePoint]) -> str:
    names = [point.id for point in points]
    nearest = near(name[:SHORT_CHARACTERS], names, 3) or names[:3]
    return f"; the nearest are {', '.join(f'`{one}`' for one in nearest)}" if nearest else ""


def _shown(name: str) -> str:
    """A name is compared letter by letter: what cannot be shown leaves a mark, it is not taken away."""
    return "".join(
        letter if letter.isprintable() and letter != "`" else "?" for letter in name[:SHORT_CHARACTERS]
    )
