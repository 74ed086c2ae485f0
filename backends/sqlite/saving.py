"""The undo point: the live database as a file of its own, whole, checked and durable, or not at all.

Whatever is written between the undo point and the restore would be in neither. So the connection that has
saved it stays open: it knows whether anybody has written since, and then the restore renews the undo point
while nobody else can write. A process that has not saved it itself cannot know, and renews it as well.

A copy by SQLite of a damaged database would be no undo point that anybody could check: there the bytes of its
files are kept.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from backends.file_digests import DIGESTS
from backends.marker import Marker, Markers, MarkerStage, Slot
from backends.programs.supervisor import sync_folder
from backends.room import refuse_without_room
from backends.sqlite import bytewise
from backends.sqlite.backups import ENDING, RAW, file_of, id_of, is_free, is_raw
from backends.sqlite.beside import files_of
from backends.sqlite.condition import refuse_repaired
from backends.sqlite.in_thread import OnDatabase
from backends.sqlite.names import NO_SECOND, Pattern
from backends.sqlite.parts import part, parts_of
from backends.sqlite.reading import (
    WAIT_SECONDS,
    Damaged,
    checked,
    connect,
    damage_of,
    recognise,
    recognise_place,
    schema_of,
    sqlite_errors,
)
from bot.contract import Blocked, Busy, TargetMissing, Unsupported, Work

SAVES, HOLDS = "saves", "holds"  # in a marker: the file, and the SHA-256 of what was saved in it
PAGES_AT_ONCE = 2_000  # between two goes it can be stopped
DAMAGED = "The database is damaged, so no backup of it is taken: a rollback can still bring one back."
NOTED_SECONDS = 60 * 86_400.0  # that a backup was taken
NAMES_TRIED = 60  # of a backup, a second later each
NEXT_NAMES = tuple(f"-{n}" for n in range(2, 10))  # of an undo point, where others are taken

Between = Callable[[int, int, int], None]  # status, pages that remain, pages in all


@dataclass(frozen=True, slots=True)
class UndoFile:
    """The file in which the state before is kept."""

    path: Path
    unfinished: Path  # on the same disk, until it is whole

    @classmethod
    def of(cls, work: Work, path: Path, ours: Path) -> Self:
        """`ours`: the folder of our notes, on the same disk."""
        return cls(path, ours / f"{work.op_id}.db")

    @property
    def is_raw(self) -> bool:
        return is_raw(self.path.name)

    def raw(self) -> "UndoFile":
        """Returns the one that keeps the same state byte by byte."""
        return UndoFile(self.path.with_name(id_of(self.path.name) + RAW), self.unfinished)

    def pack(self, database: Path, between: bytewise.Between) -> None:
        """Keeps the files as they are. What it has written is not yet under its name."""
        self._make()
        bytewise.pack(database, self.unfinished, between)
        _like(database, self.unfinished)

    def _make(self) -> None:
        self.unfinished.unlink(missing_ok=True)
        os.close(os.open(self.unfinished, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600))

    def write(self, live: sqlite3.Connection, database: Path, between: Between) -> sqlite3.Connection:
        """Returns the copy, opened and not yet under its name. The caller closes it."""
        self._make()
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

    def renew(self, live: sqlite3.Connection | None, database: Path) -> str:
        """Saves once more, and returns the SHA-256. Called only while nobody else can write.

        `live` None: SQLite cannot open it, and only its bytes can be kept.
        """
        if self.is_raw or live is None:
            self.pack(database, _go_on)
        else:
            self.write(live, database, _refuse_busy).close()
        digest = self.digest()
        self.place(os.replace)
        return digest


def before_backup(markers: Markers, backups: Path, database: Path, now: datetime) -> None:
    """Clears what nobody needs of earlier ones. Raises Blocked without room for it and the copy of it."""
    markers.forget_backups(now.timestamp() - NOTED_SECONDS)
    refuse_without_room(backups, 2 * bytewise.size_of(database))


def free_name(backups: Path, names: Sequence[str], work: Work, now: datetime) -> str:
    """Returns what is to be saved under, and is no file yet. Raises Blocked and Unsupported.

    `names`: the forms of backups. `now`: the moment that the name of one says.
    """
    damage = damage_of(work.expected)
    if not work.is_backup:
        return _free_undo_point(backups, work, RAW if damage else ENDING)
    if damage:
        raise Blocked(DAMAGED)
    return _free_backup(backups, names, now)


def _free_undo_point(backups: Path, work: Work, ending: str) -> str:
    """Run numbers recur after a fresh state folder, and what an earlier run saved stays."""
    names = (f"pre-{work.run_id}", *(f"pre-{work.op_id}{n}" for n in ("", *NEXT_NAMES)))
    free = next((name for name in names if is_free(backups, name + ending)), None)
    if free is None:
        raise Blocked(f"Files called like every undo point of {work.run_id} stand in {backups}.")
    return free + ending


def _free_backup(backups: Path, names: Sequence[str], now: datetime) -> str:
    form = next((pattern for pattern in map(Pattern, names) if pattern.tells_second), None)
    if form is None:
        raise Unsupported(NO_SECOND)
    tried = (form.at(now + timedelta(seconds=n)) for n in range(NAMES_TRIED))
    free = next((name for name in tried if not os.path.lexists(file_of(backups, id_of(name)))), None)
    if free is None:
        raise Blocked(f"Files called like every backup of this moment stand in {backups}.")
    return free


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


class Saving(OnDatabase):
    called = "sqlite-save"
    words = "Saving."

    def __init__(
        self,
        database: Path,
        undo: UndoFile,
        seconds: float,
        taken: Marker,
        slot: Slot,
        wait: float = WAIT_SECONDS,
        *,
        is_backup: bool = False,
    ) -> None:
        """`seconds`: for the check of what was saved. `wait`: for a lock."""
        super().__init__(taken, slot)
        self._is_backup = is_backup
        self._wait = wait
        self.kept: Kept | None = None  # once it is saved
        self._database = database
        self._undo = undo
        self._seconds = seconds

    def _attempt(self) -> Exception | None:
        """Removes the half of what came to nothing: where it is tried again, each half would take room."""
        error = super()._attempt()
        if error is not None and self._marker.stage is MarkerStage.TAKEN:
            for file in files_of(self._undo.unfinished):
                file.unlink(missing_ok=True)
        return error

    def _carry_out(self) -> None:
        if not schema_of(self._marker.expected):
            recognise_place(self._database, self._marker.expected)
            self._has_begun()
            self._keep_bytes()
            self._write(MarkerStage.DONE)
            return
        with ExitStack() as files:
            live = files.enter_context(closing(_open(self._database, self._wait)))
            live.execute("BEGIN")  # one moment of the database, even beside its writers
            recognise(live, self._marker.expected)
            refuse_repaired(live, self._marker.expected)
            recognise_place(self._database, self._marker.expected)
            kept = Kept(live)
            self._has_begun()
            self._save(live)
            live.execute("COMMIT")
            self._write(MarkerStage.DONE)
            if not self._is_backup:  # after which nothing is restored
                files.pop_all()
                self.kept = kept

    def _save(self, live: sqlite3.Connection) -> None:
        """Writes the copy, checks it, and gives it its name. Where it is damaged, the bytes are kept instead.

        Where only the application can read an index of it, SQLite is trusted: page by page it is the same.
        """
        if self._undo.is_raw or not self._is_saved_whole(live):
            if self._is_backup:
                raise Blocked(DAMAGED)
            self._keep_bytes()
            return
        self._place()

    def _is_saved_whole(self, live: sqlite3.Connection) -> bool:
        with closing(self._undo.write(live, self._database, self._between)) as copy:
            recognise(copy, self._marker.expected)
            recognise_place(self._database, self._marker.expected)
            try:
                with sqlite_errors():
                    return not checked(copy, "quick_check", self._seconds).fault
            except Damaged:
                return False

    def _keep_bytes(self) -> None:
        if not self._undo.is_raw:
            self._undo = self._undo.raw()
        self._marker = replace(self._marker, facts={**self._marker.facts, SAVES: self._undo.path.name})
        self.unit = "bytes"
        total = bytewise.size_of(self._database)
        self._undo.pack(self._database, lambda done: self._refuse_if_stopped(total - min(done, total), total))
        recognise_place(self._database, self._marker.expected)
        self._place()

    def _place(self) -> None:
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


def _go_on(done: int) -> None:
    """Nobody stops a restore for its undo point alone: it takes everything back a moment later."""


def _open(database: Path, wait: float) -> sqlite3.Connection:
    if not database.is_file():
        raise TargetMissing(f"{database} does not exist.")
    return connect(database, wait)


def _like(database: Path, copy: Path) -> None:
    """Gives the copy the owner and the mode of the database, or of what is left of it."""
    bytewise.like(bytewise.owned_as(part(database, parts_of(database)[0])), copy)
