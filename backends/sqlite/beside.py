"""A copy of a backup beside the live database, for whoever wants to look into it: a drill, say.

It is a file of its own in the folder of the bot's notes, where only the bot may read it: byte for byte the
backup that was approved, or not there at all. Nothing of the live database is read or locked for it.
"""

import os
from io import FileIO
from pathlib import Path
from typing import Final

from backends.marker import MADE_HERE, OP_ID, Marker, MarkerStage, Slot
from backends.programs.supervisor import sync_folder
from backends.room import refuse_without_room
from backends.sqlite.held import held
from backends.sqlite.in_thread import Restoring
from backends.sqlite.names import KEPT_BESIDE
from bot.contract import COPY, COPY_OF, COPY_URL, Fate, Found, PointUnavailable
from bot.model import Beside, Left

COPIES: Final = "copies"  # in a marker: the name of the file
AT_ONCE_BYTES: Final = 8 << 20  # between two goes it can be stopped


def copy_file(folder: Path, copy: str) -> Path:
    """Returns the file of a copy. Raises PointUnavailable for what is not called like one."""
    if not OP_ID.fullmatch(copy):
        raise PointUnavailable(f"`{copy}` is no copy of ours.")
    return folder / f"{copy}.copy.db"


def unfinished_of(copy: Path) -> Path:
    return copy.with_suffix(".new")


def files_of(copy: Path) -> tuple[Path, ...]:
    """Returns the copy and what may stand beside it: who looked into it may have left more."""
    beside = (copy.with_name(f"{copy.name}{suffix}") for suffix in KEPT_BESIDE)
    return (copy, unfinished_of(copy), *beside)


def described(folder: Path, copy: str, database: Path) -> Beside:
    file = copy_file(folder, copy).absolute()
    return Beside(copy, {COPY: str(file), COPY_URL: f"sqlite:///{file}", COPY_OF: str(database.absolute())})


class Copying(Restoring):
    called = "sqlite-beside"
    words = "Copying."

    def __init__(self, backup: Path, fingerprint: str, copy: Path, taken: Marker, slot: Slot) -> None:
        """`fingerprint`: that the backup must have; empty: none was approved."""
        super().__init__(taken, slot)
        self._backup = backup
        self._fingerprint = fingerprint
        self._copy = copy
        self.unit = "bytes"

    def _carry_out(self) -> None:
        unfinished = unfinished_of(self._copy)
        unfinished.unlink(missing_ok=True)  # of somebody who was killed
        try:
            with held(self._backup) as backup:
                backup.compare(self._fingerprint)
                source = backup.from_the_start()
                refuse_without_room(self._copy.parent, os.fstat(source.fileno()).st_size)
                self._has_begun()
                self._write_to(unfinished, source)
                backup.check()
            self._write(MarkerStage.CLOSING)  # from here on what stands there under its name is the copy
            os.replace(unfinished, self._copy)
            sync_folder(self._copy.parent)
        finally:
            unfinished.unlink(missing_ok=True)
        self._write(MarkerStage.DONE)

    def _write_to(self, unfinished: Path, source: FileIO) -> None:
        total = left = os.fstat(source.fileno()).st_size
        with open(os.open(unfinished, MADE_HERE, 0o600), "wb", buffering=0) as file:
            while left:
                self._refuse_if_stopped(left, total)
                written = os.sendfile(file.fileno(), source.fileno(), None, min(left, AT_ONCE_BYTES))
                left -= written or left  # it was cut off meanwhile: `check` says so
            os.fsync(file.fileno())
        self._refuse_if_stopped(left, total)


def fate_of_copying(marker: Marker, folder: Path, database: Path) -> Found:
    """A copy is whole where it has its name. `database`: what it stands for."""
    name = str(marker.facts[COPIES])
    copy = name.removesuffix(".copy.db")
    if (folder / name).is_file():
        made = described(folder, copy, database)
        return Found(Fate.DONE, "The copy is there.", left=Left.BEFORE, made=made)
    if marker.stage is MarkerStage.DONE:
        return Found(Fate.FAILED, "The copy is gone.", left=Left.BEFORE)
    return Found(Fate.ABSENT, "The copy was never finished.")
