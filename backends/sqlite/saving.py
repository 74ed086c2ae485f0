"""The undo point: the live database as a file of its own, whole, checked and durable, or not at all.

Whatever is written between the undo point and the restore would be in neither. So the connection that has
saved it stays open: it knows whether anybody has written since, and then the restore renews the undo point
while nobody else can write. A process that has not saved it itself cannot know, and renews it as well.
"""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from backends.file_digests import DIGESTS
from backends.marker import Marker, MarkerStage, Slot
from backends.programs.supervisor import sync_folder
from backends.sqlite.in_thread import InThread
from backends.sqlite.reading import (
    Foreign,
    connect,
    faults,
    recognise,
    recognise_place,
    sqlite_errors,
)
from bot.contract import Blocked, Busy, TargetMissing

SAVES, HOLDS = "saves", "holds"  # in a marker: the file, and the SHA-256 of what was saved in it
PAGES_AT_ONCE = 2_000  # between two goes it can be stopped

Between = Callable[[int, int, int], None]  # status, pages that remain, pages in all


@dataclass(frozen=True, slots=True)
class UndoFile:
    """The file in which the state before is kept."""

    path: Path
    unfinished: Path  # on the same disk, until it is whole

    def write(self, live: sqlite3.Connection, database: Path, between: Between) -> sqlite3.Connection:
        """Returns the copy, opened and not yet under its name. The caller closes it."""
        self.unfinished.unlink(missing_ok=True)
        os.close(os.open(self.unfinished, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600))
        copy = sqlite3.connect(self.unfinished, isolation_level=None)
        try:
            live.backup(copy, pages=PAGES_AT_ONCE, progress=between)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file that stands alone
        except BaseException:
            copy.close()
            raise
        _like(database, self.unfinished)
        return copy

    def digest(self) -> str:
        """Makes the copy durable, and returns the SHA-256 of what it holds."""
        with open(self.unfinished, "rb") as file:
            os.fsync(file.fileno())
        return DIGESTS.of(self.unfinished)

    def place(self, put: Callable[[Path, Path], None]) -> None:
        """Gives it its name. `put` links or replaces."""
        put(self.unfinished, self.path)
        sync_folder(self.path.parent)
        self.unfinished.unlink(missing_ok=True)

    def holds(self, digest: str) -> bool:
        """Whether it is there with this content; empty: nobody knows which."""
        return bool(digest) and self.path.exists() and DIGESTS.of(self.path) == digest

    def renew(self, live: sqlite3.Connection, database: Path) -> str:
        """Saves once more, and returns the SHA-256. Called only while nobody else can write."""
        self.write(live, database, _refuse_busy).close()
        digest = self.digest()
        self.place(os.replace)
        return digest


class Kept:
    """A connection that has seen the state which was saved."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._seen = self._version()

    def moved(self) -> bool:
        """Whether anybody has written since. With a rollback journal only its own lock may be held."""
        return self._version() != self._seen

    def close(self) -> None:
        self.connection.close()

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])


class Saving(InThread):
    called = "sqlite-save"
    words = "Saving."

    def __init__(self, database: Path, undo: UndoFile, seconds: float, taken: Marker, slot: Slot) -> None:
        """`seconds`: for the check of what was saved."""
        super().__init__(taken, slot)
        self.kept: Kept | None = None  # once it is saved
        self._database = database
        self._undo = undo
        self._seconds = seconds

    def _carry_out(self) -> None:
        with ExitStack() as files:
            live = files.enter_context(closing(_open(self._database)))
            live.execute("BEGIN")  # one moment of the database, even beside its writers
            recognise(live, self._marker.expected)
            recognise_place(self._database, self._marker.expected)
            kept = Kept(live)
            self._has_begun()
            self._save(live)
            live.execute("COMMIT")
            self._write(MarkerStage.DONE)
            files.pop_all()
            self.kept = kept

    def _save(self, live: sqlite3.Connection) -> None:
        """Writes the copy, checks it, and gives it its name.

        Where only the application can read an index of it, SQLite is trusted: page by page it is the same.
        """
        with closing(self._undo.write(live, self._database, self._between)) as copy:
            recognise(copy, self._marker.expected)
            recognise_place(self._database, self._marker.expected)
            with suppress(Foreign), sqlite_errors():
                if fault := faults(copy, "integrity_check", self._seconds):
                    raise Blocked(f"The state before is damaged and cannot be saved: {fault}.")
        self._marker = replace(self._marker, facts={**self._marker.facts, HOLDS: self._undo.digest()})
        self._write(MarkerStage.CLOSING)  # from here on what stands there under its name may be ours
        self._undo.place(os.link)  # unlike a rename it never replaces somebody else's file

    def _between(self, status: int, remaining: int, total: int) -> None:
        _refuse_busy(status, remaining, total)
        self._refuse_if_stopped(remaining, total)


def _refuse_busy(status: int, remaining: int, total: int) -> None:
    """SQLite itself would try for ever, and has waited before it says so."""
    if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise Busy("Another connection keeps the database locked.")


def _open(database: Path) -> sqlite3.Connection:
    if not database.is_file():
        raise TargetMissing(f"{database} does not exist.")
    return connect(database)


def _like(database: Path, copy: Path) -> None:
    """Gives the copy the owner and the mode of the database: the same people may read it, and nobody else."""
    of = database.stat()
    with suppress(PermissionError):  # only root gives files away
        os.chown(copy, of.st_uid, of.st_gid)
    copy.chmod(stat.S_IMODE(of.st_mode))
