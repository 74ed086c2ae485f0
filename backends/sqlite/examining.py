"""Looks at a folder of backups for what `doctor` wants to know and planning does not ask."""

from collections.abc import Iterator, Sequence
from typing import Final

from bot.contract import Trouble
from bot.model import PointKind, RestorePoint

MANY: Final = 10


def about_undo_points(points: Sequence[RestorePoint]) -> Iterator[Trouble]:
    """Says when the states saved before runs pile up: each is a copy of the whole database."""
    saved = [point for point in points if point.kind is PointKind.UNDO]
    if len(saved) >= MANY:
        words = f"{len(saved)} of its restore points are states saved before runs, each a whole copy."
        do = "Set `undo_days`, so that those of later runs go by themselves, and remove what nobody needs."
        yield Trouble(f"{words} {do}", serious=False)
