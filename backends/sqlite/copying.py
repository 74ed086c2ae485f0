"""Copying a backup over the live database with SQLite's backup API.

This is the restore; the undo point is in `saving`.

SQLite writes the copy as one transaction: other connections see all of it or nothing, and whatever kills
us, the next connection takes a half-written one back. The marker is written inside that transaction, when
we hold the database and have seen that it is still the one of the plan; and again just before the last
pages, because from there on only the database itself can say whether the transaction was committed.
"""

import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from backends.marker import Marker, MarkerStage, Slot
from backends.sqlite.condition import refuse_repaired
from backends.sqlite.held import HeldBackup, held
from backends.sqlite.in_thread import Restoring
from backends.sqlite.reading import connect, identity, recognise, recognise_place, version
from backends.sqlite.saving import HOLDS, SAVES, Kept, UndoFile
from bot.contract import Blocked, Busy

PAGES_AT_ONCE = 256  # between two goes the copy can be stopped
TIMES_A_SECOND = 10  # that a throttled copy goes on


@dataclass(frozen=True, slots=True)
class CopyRoute:
    """From which file to which, how fast, and where what it replaces is kept."""

    backup: Path
    fingerprint: str  # that the backup must have; empty: none was approved
    database: Path
    pages_per_second: int | None  # None: as fast as the disk
    wait: float  # seconds for the database's lock
    undo: UndoFile | None = None  # None: nobody keeps it
    undo_content: str = ""  # its SHA-256 when it was saved
    kept: Kept | None = None  # what has watched the database since it was saved; None: nobody did


class Copy(Restoring):
    """One restore of a database that SQLite can open."""

    called = "sqlite-restore"
    words = "Copying."

    def __init__(self, route: CopyRoute, taken: Marker, slot: Slot) -> None:
        super().__init__(taken, slot)
        self._route = route
        self._step = PAGES_AT_ONCE
        self._give_up = 0.0
        self._held: HeldBackup | None = None
        self._watcher: sqlite3.Connection | None = None

    def _carry_out(self) -> None:
        with ExitStack() as files:
            self._held = files.enter_context(held(self._route.backup))
            self._held.compare(self._route.fingerprint)
            backup = files.enter_context(self._held.opened())
            live = seen = files.enter_context(closing(self._seen_since()))
            self._prepare(backup)
            if seen.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                self._watcher = seen
                live = files.enter_context(closing(connect(self._route.database, self._route.wait)))
            else:
                self._keep_out_others(live)
            backup.backup(live, pages=self._step, progress=self._between)
            self._write(MarkerStage.DONE)

    def _prepare(self, backup: sqlite3.Connection) -> None:
        self._marker = replace(self._marker, facts={"schema": identity(backup)})
        self.total = int(backup.execute("PRAGMA page_count").fetchone()[0])
        if self.total < 2:
            raise Blocked("The backup holds no tables.")
        if self._route.pages_per_second is not None:
            self._step = max(1, self._route.pages_per_second // TIMES_A_SECOND)
        self._step = min(self._step, self.total // 2)  # at least two: the first go must not be the last
        self._give_up = time.monotonic() + self._route.wait

    def _keep_out_others(self, live: sqlite3.Connection) -> None:
        """Locks a rollback-journal database: nobody else may even read until this connection is closed."""
        live.execute("PRAGMA locking_mode = EXCLUSIVE")
        live.execute("BEGIN EXCLUSIVE")
        self._compare(live)
        live.execute("COMMIT")  # the lock stays; nothing can be copied out of a transaction that may write
        self._renew_undo(live)

    def _compare(self, live: sqlite3.Connection) -> None:
        """The compare of compare-and-set: called only while nobody else can write."""
        recognise(live, self._marker.expected)
        refuse_repaired(live, self._marker.expected)
        self._recognise_files()
        self._marker = replace(self._marker, facts={**self._marker.facts, "version": version(live)})

    def _seen_since(self) -> sqlite3.Connection:
        """The connection that knows whether anybody has written since the undo point, where there is one."""
        kept = self._route.kept
        return connect(self._route.database, self._route.wait) if kept is None else kept.connection

    def _renew_undo(self, live: sqlite3.Connection) -> None:
        """Called only while nobody else can write: what was written after it was saved is in it as well."""
        undo, kept = self._route.undo, self._route.kept
        if undo is None or (kept is not None and not kept.moved() and undo.holds(self._route.undo_content)):
            return
        renewed = {SAVES: undo.path.name, HOLDS: undo.renew(live, self._route.database)}
        self._marker = replace(self._marker, facts={**self._marker.facts, **renewed})

    def _recognise_files(self) -> None:
        """Both must be those that were approved, by their names, too."""
        assert self._held is not None
        self._held.check()
        recognise_place(self._route.database, self._marker.expected)

    def _between(self, status: int, remaining: int, total: int) -> None:
        """SQLite calls this after each go; to raise here takes everything back."""
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() > self._give_up:
                raise Busy("Another connection keeps the database locked.")
            return
        if status != sqlite3.SQLITE_OK:
            return  # over, well or not: SQLite says so itself
        if not self.begun.done():
            self._begin()
        self._refuse_if_stopped(remaining, total)
        if remaining <= self._step:
            self._recognise_files()
            self._write(MarkerStage.CLOSING)
        if self._route.pages_per_second is not None:
            self._stopping.wait(self._step / self._route.pages_per_second)

    def _begin(self) -> None:
        """Our transaction holds the database from here on. With a WAL others still read what was before."""
        if self._watcher is not None:
            self._compare(self._watcher)
            self._renew_undo(self._watcher)
        self._write(MarkerStage.TAKEN)
        self._has_begun()
