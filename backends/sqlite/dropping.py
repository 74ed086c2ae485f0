"""Drops what a run has made when nobody needs it any more: its copy, or that undo point with that content."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from backends.file_digests import DIGESTS
from backends.marker import BARRED, Marker, Markers, MarkerStage, Slot, fate_of
from backends.programs.supervisor import sync_folder
from backends.sqlite.beside import copy_file, files_of
from bot.contract import Busy, Ended, Fate, Found, PointUnavailable, StateChanged, Taken, Work
from bot.model import Left

DROPS = "drops"  # the file as it is called from the folder of the backups, in the facts of a marker


def drop_once(
    markers: Markers, work: Work, fate: Callable[[Marker], Found], undo_point: Callable[[], Path]
) -> Taken | Ended:
    """`undo_point` finds its file, and raises PointUnavailable."""
    slot = markers.take(work.op_id)
    if slot is None:
        return Taken.TAKEN
    with slot:
        if fate_of(work, slot.read(), fate).fate is not Fate.ABSENT:
            return Taken.TAKEN
        taken = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN)
        if work.prepared is not None:
            copy = copy_file(markers.folder, work.prepared)
            with _barred(markers, work.prepared, taken):
                _remove(files_of(copy), markers.folder.parent, taken, slot)
        else:
            saved = undo_point()
            _refuse_other(saved, work.undo_content)
            _remove((saved,), saved.parent, taken, slot)
    return Ended(True, Left.BEFORE, f"{work.undo or work.prepared} is dropped.")


@contextmanager
def _barred(markers: Markers, copy: str, taken: Marker) -> Iterator[None]:
    """Holds the op id under which it was made, for good: nobody makes it while it is dropped, or after.

    Raises Busy while it is being made.
    """
    slot = markers.take(copy)
    if slot is None:
        raise Busy("The copy is still being made.")
    with slot:
        if slot.read() is None:
            slot.write(replace(taken, stage=MarkerStage.FAILED, words=BARRED))
        yield


def _refuse_other(saved: Path, content: str) -> None:
    """Raises PointUnavailable and StateChanged where what stands there is not what was saved."""
    if not saved.exists():
        raise PointUnavailable(f"`{saved.stem}` is not there any more: somebody has removed it.")
    if not content or DIGESTS.of(saved) != content:
        raise StateChanged(f"`{saved.stem}` holds something else than was saved, so it stays.")


def _remove(files: Sequence[Path], backups: Path, taken: Marker, slot: Slot) -> None:
    drops = {DROPS: str(files[0].relative_to(backups))}
    slot.write(replace(taken, stage=MarkerStage.CLOSING, facts=drops))
    for file in files:
        file.unlink(missing_ok=True)
    sync_folder(files[0].parent)
    slot.write(replace(taken, stage=MarkerStage.DONE, facts=drops))


def fate_of_dropping(marker: Marker, backups: Path) -> Found:
    """The file itself says whether it went, until that was noted."""
    name = str(marker.facts[DROPS])
    if marker.stage is MarkerStage.DONE or not (backups / name).exists():
        return Found(Fate.DONE, f"{Path(name).stem} is dropped.", left=Left.BEFORE)
    return Found(Fate.ABSENT, f"{Path(name).stem} is still there.")
