"""From a goal to one exact restore point, among those that a backend listed.

Nothing is looked up here: a name is matched to what was offered, never taken further.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bot.contract import PointUnavailable, UnknownPoint, Unsupported
from bot.model import Goal, RestorePoint
from bot.spelling import SHORT_CHARACTERS, near
from bot.times import moment

MOST_TOLD: Final = 20  # reasons why something is no restore point


def point_for(goal: Goal, points: Sequence[RestorePoint]) -> RestorePoint:
    """Returns the one that is meant, of points in the backend's own order, newest first.

    Raises PointUnavailable, which names the nearest points, and Unsupported for the undo of a run.
    """
    if goal.point is not None:
        return _typed(goal.point, points)
    if goal.before is not None:
        return _live_at(goal.before, points)
    raise Unsupported("An undo goes back to the undo point of its run: name that restore point.")


def named(name: str, points: Sequence[RestorePoint]) -> RestorePoint:
    """Returns the point with exactly this id. Raises UnknownPoint."""
    for point in points:
        if point.id == name:
            return point
    raise UnknownPoint(f"There is no restore point `{_shown(name)}`{_nearest_to(name, points)}.")


def skew(goal: Goal, chosen: RestorePoint, points: Sequence[RestorePoint]) -> str:
    """Returns a warning where going by the order of the points and by their times are two things.

    A later point with an earlier time was made by a clock that was wrong, or its forerunner was.
    """
    if goal.before is None or chosen.live:
        return ""
    later = points[: points.index(chosen)]
    early = [point for point in later if point.at is not None and point.at <= goal.before]
    if not early:
        return ""
    return (
        f"The times of the points go back: `{_shown(early[0].id)}` is dated {_when(early[0])} and came after "
        f"a point with a later date. This plan goes by their order: is `{_shown(chosen.id)}` what ran then?"
    )


def shortened(reasons: Sequence[str]) -> tuple[str, ...]:
    """Returns the first of many sentences, and how many more there are."""
    more = len(reasons) - MOST_TOLD
    return (*reasons[:MOST_TOLD], f"And {more:,} more.") if more > 0 else tuple(reasons)


def _typed(name: str, points: Sequence[RestorePoint]) -> RestorePoint:
    """A name in another case is meant when it can be only one."""
    if any(point.id == name for point in points):
        return named(name, points)
    alike = [point for point in points if point.id.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else named(name, points)


def _live_at(before: datetime, points: Sequence[RestorePoint]) -> RestorePoint:
    """Returns what was live then, where the backend says so; else the last of those made up to then.

    The points are gone through in their own order, not by their times: among equal times it says which came
    last, and nothing that came after a point with a later time was there before it.
    """
    for point in points:
        if any(span.since <= before and (span.until is None or before < span.until) for span in point.live):
            return point
    dated = [point for point in points if point.at is not None]
    reached = None
    for point in reversed(dated):
        if point.at is None or point.at > before:
            break
        reached = point
    if reached is not None:
        return reached
    nearest = f"; the nearest is `{dated[-1].id}` of {_when(dated[-1])}" if dated else ""
    raise PointUnavailable(f"There is no restore point at or before {moment(before)}{nearest}.")


def _when(point: RestorePoint) -> str:
    return moment(point.at) if point.at else "no known time"


def _nearest_to(name: str, points: Sequence[RestorePoint]) -> str:
    names = [point.id for point in points]
    nearest = near(name[:SHORT_CHARACTERS], names, 3) or names[:3]
    return f"; the nearest are {', '.join(f'`{one}`' for one in nearest)}" if nearest else ""


def _shown(name: str) -> str:
    """A name is compared letter by letter: what cannot be shown leaves a mark, it is not taken away."""
    return "".join(
        letter if letter.isprintable() and letter != "`" else "?" for letter in name[:SHORT_CHARACTERS]
    )
