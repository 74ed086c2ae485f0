"""Finds what is odd about the restore points of a backend, whichever it is: for `doctor`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from bot.contract import Trouble
from bot.model import PointKind, Points

CLOCKS_APART: Final = timedelta(minutes=5)
SELDOM: Final = timedelta(
    days=31
)  # a newest point that is older is worth a look, where points are made often
UNDATED: Final = "No restore point says of when it is: nobody can go back to a time."


def about_points(
    points: Points, now: datetime, *, seldom: timedelta | None = SELDOM, undated: str = UNDATED
) -> Iterator[Trouble]:
    """Yields what is odd about them. `seldom` None: a point is made when somebody changes something.

    What the bot has saved itself before a run says nothing about whether points are still made.
    """
    made = [point for point in points.points if point.kind is not PointKind.UNDO]
    newest = next((point.at for point in made if point.at is not None), None)  # as the backend orders them
    if newest is None and made:
        yield Trouble(undated, serious=False)
    elif newest is not None and newest > now + CLOCKS_APART:
        words = "The newest restore point is of a time to come."
        yield Trouble(f"{words} Compare the clocks of its backend and of this machine.")
    elif newest is not None and seldom is not None and newest < now - seldom:
        words = f"The newest restore point is {(now - newest).days} days old."
        yield Trouble(f"{words} See whether new ones are still made.", serious=False)
    if points.left_out:
        others = " `rollback-bot points` says what else." if len(points.left_out) > 1 else ""
        yield Trouble(f"Left out of the restore points: {points.left_out[0]}{others}", serious=False)
