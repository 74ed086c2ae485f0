"""Drops an undo point that a run has saved, when nobody needs it any more: that file, with that content."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backends.file_digests import DIGESTS
from backends.marker import Marker, Markers, MarkerStage, Slot, fate_of
from backends.programs.supervisor import sync_folder
from bot.contract import Ended, Fate, Found, PointUnavailable, StateChanged, Taken, Work
from bot.model import Left

DROPS = "drops"  # the name of the file, in the facts of a marker


def drop_once(
    markers: Markers, work: Work, fate: Callable[[Marker], Found], file: Callable[[], Path]
) -> Taken | Ended:
    """`file` finds the undo point, and raises PointUnavailable."""
    slot = markers.take(work.op_id)
    if slot is None:
        return Taken.TAKEN
    with slot:
        if fate_of(work, slot.read(), fate).fate is not Fate.ABSENT:
            return Taken.TAKEN
        taken = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN)
        _drop(file(), work.undo_content, taken, slot)
    return Ended(True, Left.BEFORE, f"{work.undo} is dropped.")


def _drop(file: Path, content: str, taken: Marker, slot: Slot) -> None:
    """Raises PointUnavailable and StateChanged where what stands there is not what was saved."""
    if not file.exists():
        raise PointUnavailable(f"`{file.stem}` is not there any more: somebody has removed it.")
    if not content or DIGESTS.of(file) != content:
        raise StateChanged(f"`{file.stem}` holds something else than was saved, so it stays.")
    slot.write(replace(taken, stage=MarkerStage.CLOSING, facts={DROPS: file.name}))
    file.unlink()
    sync_folder(file.parent)
    slot.write(replace(taken, stage=MarkerStage.DONE, facts={DROPS: file.name}))


def fate_of_dropping(marker: Marker, folder: Path) -> Found:
    """The file itself says whether it went, until that was noted."""
    name = str(marker.facts[DROPS])
    if marker.stage is MarkerStage.DONE or not (folder / name).exists():
        return Found(Fate.DONE, f"{Path(name).stem} is dropped.", left=Left.BEFORE)
    return Found(Fate.ABSENT, f"{Path(name).stem} is still there.")
