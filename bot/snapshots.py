"""Snapshots: which restore point shows the state as of a moment, and what is said where there is none.

A snapshot is a copy beside that stands for a while: its plan is in `beside`. Pure.
"""

from datetime import datetime, timedelta

from bot.configuration import Snapshots, Target
from bot.errors import UserError
from bot.model import Points, RestorePoint
from bot.times import moment


def rule_of(target: Target) -> Snapshots:
    """Raises UserError where the configuration has no snapshots of this target."""
    if target.snapshots is None:
        raise UserError(
            f"`{target.name}` has no snapshots. Whoever keeps the configuration may write "
            "`snapshots: {keep: 30d}` under it."
        )
    return target.snapshots


def newest_before(target: str, listed: Points, asked: datetime) -> RestorePoint:
    """Returns the newest restore point that was complete at the moment asked for. Raises UserError.

    A point without a time is none: nobody knows what it shows.
    """
    dated = [(point.at, point) for point in listed.points if point.at is not None]
    earlier = [pair for pair in dated if pair[0] <= asked]
    if earlier:
        newest = max(at for at, _ in earlier)
        return next(point for at, point in earlier if at == newest)  # of equal times the backend's first
    if not dated:
        raise UserError(f"No restore point of `{target}` says when it was made, so none shows a moment.")
    first = moment(min(at for at, _ in dated) + timedelta(seconds=59))  # to the minute that is not before it
    raise UserError(
        f"`{target}` has no restore point of {moment(asked)} or before: the first is of {first}. Ask with "
        f"`snapshot {target} as of {first}`, or later."
    )
