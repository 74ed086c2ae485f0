"""Putting files in the place of a database: where SQLite cannot open it, or where kept bytes are put back.

The new file is written whole beside the old one and takes its name in one move. What SQLite keeps beside a
database is taken away before that: a -wal of the old file would be played into the new one. Whoever has the
old file open keeps it, so the plan asks for applications to be stopped; where SQLite can still lock the old
file, nobody may have it open.
"""

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from backends.marker import Marker, MarkerStage, Slot
from backends.programs.supervisor import sync_folder
from backends.sqlite import bytewise
from backends.sqlite.backups import is_raw
from backends.sqlite.condition import look
from backends.sqlite.copying import CopyRoute
from backends.sqlite.held import HeldBackup, held
from backends.sqlite.in_thread import Restoring
from backends.sqlite.parts import BESIDE, PARTS, inode_of, part, parts_of
from backends.sqlite.reading import (
    connect,
    identity,
    reading,
    reading_backup,
    recognise,
    recognise_place,
    schema_of,
    version,
)
from backends.sqlite.saving import HOLDS, SAVES
from bot.contract import Busy, Fate, Found, StateChanged
from bot.errors import PermanentError
from bot.model import Left

ASIDE, INODE, WAS_BESIDE = "aside", "inode", "beside"  # in a marker
PAGE_BYTES: Final = 4096  # of a page, where a pace is given in pages


@dataclass(frozen=True, slots=True)
class SetAside:
    """The files that wait beside a database to take its place."""

    database: Path
    name: str

    def path(self, suffix: str) -> Path:
        return part(self.database, "").with_name(self.name + suffix)

    def waiting(self) -> tuple[str, ...]:
        return tuple(suffix for suffix in PARTS if self.path(suffix).exists())

    def remove(self) -> None:
        for suffix in PARTS:
            self.path(suffix).unlink(missing_ok=True)


class Replacing(Restoring):
    called = "sqlite-replace"
    words = "Copying."

    def __init__(self, route: CopyRoute, op_id: str, taken: Marker, slot: Slot) -> None:
        super().__init__(taken, slot)
        self.unit = "bytes"
        self._route = route
        self._database = route.database
        self._aside = SetAside(route.database, f".{part(route.database, '').name}.{op_id}")

    def _carry_out(self) -> None:
        with ExitStack() as files:
            if self._route.kept is not None:
                files.callback(self._route.kept.close)
            backup = files.enter_context(held(self._route.backup))
            backup.compare(self._route.fingerprint)
            self._recognise()
            self._write(MarkerStage.TAKEN)
            self._has_begun()
            files.callback(self._tidy_up)
            suffixes = self._lay_aside(backup)
            live = self._locked(files)
            self._recognise()
            self._renew_undo(live)
            self._recognise()  # keeping a large file once more takes its time
            backup.check()
            self._marker = replace(self._marker, facts={**self._marker.facts, **self._facts(suffixes)})
            self._write(MarkerStage.CLOSING)
            self._put_in_place(suffixes, live)
            self._write(MarkerStage.DONE)

    def _tidy_up(self) -> None:
        """Once the move has begun, what still waits tells how far it came."""
        if self._marker.stage is not MarkerStage.CLOSING:
            self._aside.remove()

    def _recognise(self) -> None:
        """Raises StateChanged when it is not, or not so damaged, as the plan says."""
        recognise_place(self._database, self._marker.expected)
        if not schema_of(self._marker.expected):
            now = look(self._database, self._route.wait, check=False).current(self._database)
            if now.token != self._marker.expected:
                raise StateChanged(f"The plan was made for another state; now it is {now.label}.")

    def _lay_aside(self, backup: HeldBackup) -> tuple[str, ...]:
        self._aside.remove()
        self.total = self._route.backup.stat().st_size
        source = backup.from_the_start()
        if is_raw(self._route.backup.name):
            return bytewise.unpack(source, self._aside.path, self._between)
        bytewise.copy(source, self._aside.path(""), self._between)
        bytewise.like(owner_of_new(self._database, self._route.backup), self._aside.path(""))
        return ("",)

    def _between(self, done: int) -> None:
        if self._route.pages_per_second is not None:
            self._stopping.wait(done / PAGE_BYTES / self._route.pages_per_second)
        self._refuse_if_stopped(self.total - min(self.done + done, self.total), self.total)

    def _locked(self, files: ExitStack) -> sqlite3.Connection | None:
        """Returns a connection beside which nobody has the database open; None: SQLite cannot open it."""
        if not schema_of(self._marker.expected):
            return None
        if self._route.kept is not None:  # it would be somebody else as well
            self._route.kept.close()
        live = files.enter_context(closing(connect(self._database, self._route.wait)))
        live.execute("PRAGMA locking_mode = EXCLUSIVE")
        live.execute("BEGIN EXCLUSIVE")
        recognise(live, self._marker.expected)
        live.execute("COMMIT")  # the lock stays
        if live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise Busy("Another connection has the database open: stop the application first.")
        return live

    def _renew_undo(self, live: sqlite3.Connection | None) -> None:
        """Saves the undo point once more: what was written after it was saved is in it as well."""
        undo = self._route.undo
        if undo is not None:
            renewed = {SAVES: undo.path.name, HOLDS: undo.renew(live, self._database)}
            self._marker = replace(self._marker, facts={**self._marker.facts, **renewed})

    def _facts(self, suffixes: Sequence[str]) -> dict[str, str | int]:
        """Returns by what the move is known again."""
        inode = self._aside.path("").stat().st_ino if "" in suffixes else 0
        moving: dict[str, str | int] = {
            ASIDE: self._aside.name,
            INODE: inode,
            WAS_BESIDE: " ".join(suffix for suffix in parts_of(self._database) if suffix not in {"", "-shm"}),
        }
        if is_raw(self._route.backup.name):
            return {**moving, "schema": "", "version": 0}
        with reading_backup(self._aside.path("")) as new:
            return {**moving, "schema": identity(new), "version": version(new)}

    def _put_in_place(self, suffixes: Sequence[str], live: sqlite3.Connection | None) -> None:
        database = part(self._database, "")
        for suffix in BESIDE:  # where SQLite has locked the database, nothing is in them any more
            part(database, suffix).unlink(missing_ok=True)
        if "" in suffixes:
            os.replace(self._aside.path(""), database)
        else:
            database.unlink(missing_ok=True)
        if live is not None:
            live.close()
        for suffix in suffixes:
            if suffix:
                os.replace(self._aside.path(suffix), part(database, suffix))
        sync_folder(database.parent)


def owner_of_new(database: Path, backup: Path) -> tuple[int, int, int]:
    """Returns user, group and mode of the file that comes in the place of the database.

    Where nothing is left of that, it belongs to whom the folder belongs, with the mode of the backup.
    """
    if left := parts_of(database):
        return bytewise.owned_as(part(database, left[0]))
    folder = part(database, "").parent.stat()
    return folder.st_uid, folder.st_gid, stat.S_IMODE(backup.stat().st_mode)


def is_of_replacing(marker: Marker) -> bool:
    return ASIDE in marker.facts


def fate_of_replacing(marker: Marker, database: Path) -> Found:
    """Says from the files how far a move came whose process is gone."""
    waiting = SetAside(database, str(marker.facts[ASIDE])).waiting()
    if inode_of(database) == int(marker.facts[INODE]):
        if waiting:
            return Found(Fate.FAILED, "Only a part of the files was put in place.", left=Left.PARTIAL)
        return _fate_of_the_new(marker, database)
    if marker.stage is MarkerStage.DONE:
        return Found(Fate.OVERTAKEN, f"{marker.point} was live; another file is there now.")
    if not waiting:
        return Found(Fate.UNKNOWN, "The file was nearly put in place, and another one is there now.")
    was_beside = str(marker.facts[WAS_BESIDE]).split()
    if gone := [suffix for suffix in was_beside if not part(database, suffix).exists()]:
        words = f"What stood beside the database ({', '.join(gone)}) is gone, and the file was not replaced."
        return Found(Fate.FAILED, words, left=Left.PARTIAL)
    return Found(Fate.ABSENT, "The file was never put in place.")


def _fate_of_the_new(marker: Marker, database: Path) -> Found:
    done = Found(Fate.DONE, f"{marker.point} is live.")
    if not marker.facts["schema"]:
        return done
    try:
        with reading(database) as live:
            same = (version(live), identity(live)) == (marker.facts["version"], marker.facts["schema"])
    except PermanentError:  # it was whole when it was put there
        same = False
    return done if same else Found(Fate.OVERTAKEN, f"{marker.point} was live; it was changed since.")
