"""Copying whole databases with SQLite's backup API: a backup over the live one, and the live one to a file.

`Copy` is the restore, in a thread of its own; `save_copy` makes the undo point.

SQLite writes the copy as one transaction: other connections see all of it or nothing, and whatever kills
us, the next connection takes a half-written one back. The marker is written inside that transaction, when
we hold the database and have seen that it is still the one of the plan; and again just before the last
pages, because from there on only the database itself can say whether the transaction was committed.
"""

import os
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from backends.marker import Marker, MarkerStage, Slot, file_errors
from backends.programs.supervisor import sync_folder
from backends.sqlite.held import HeldBackup, held
from backends.sqlite.reading import (
    Foreign,
    connect,
    faults,
    identity,
    reading,
    recognise,
    recognise_place,
    sqlite_errors,
    version,
)
from bot.contract import Blocked, Busy, OutcomeUnknown
from bot.errors import PermanentError, TemporaryError

PAGES_AT_ONCE = 256  # between two goes the copy can be stopped
TIMES_A_SECOND = 10  # that a throttled copy goes on


class CopyStopped(PermanentError):
    """Somebody asked for it, and the database is as it was."""


@dataclass(frozen=True, slots=True)
class CopyRoute:
    """From which file to which, and how fast."""

    backup: Path
    fingerprint: str  # that the backup must have; empty: none was approved
    database: Path
    pages_per_second: int | None  # None: as fast as the disk
    wait: float  # seconds for the database's lock


class Copy:
    """One restore. It owns the slot from `start` on, and closes it when it has ended."""

    def __init__(self, route: CopyRoute, taken: Marker, slot: Slot) -> None:
        self.begun: Future[None] = Future()  # set once we hold the database; its error: nothing was done
        self.ended = threading.Event()
        self.done = 0  # pages
        self.total = 0
        self._route = route
        self._marker = taken
        self._slot = slot
        self._stop = threading.Event()
        self._step = PAGES_AT_ONCE
        self._give_up = 0.0
        self._held: HeldBackup | None = None
        self._watcher: sqlite3.Connection | None = None

    def start(self) -> None:
        """A daemon thread: a process that must end does not wait for it, SQLite takes the copy back."""
        self.begun.set_running_or_notify_cancel()  # whoever stops waiting for it must not cancel it
        threading.Thread(target=self._run, name="sqlite-restore", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            with self._slot:  # let go before anybody hears how it ended: they may want to take it again
                error = self._attempt()
        finally:
            if not self.begun.done():
                self.begun.set_exception(error or OutcomeUnknown("The copy ended without a word."))
            self.ended.set()

    def _attempt(self) -> Exception | None:
        try:
            with sqlite_errors(), file_errors():
                self._copy()
        except (PermanentError, TemporaryError) as error:
            if self.begun.done() and self._marker.stage is MarkerStage.TAKEN:
                self._write(MarkerStage.FAILED, words=str(error))
            return error
        return None

    def _copy(self) -> None:
        with ExitStack() as files:
            self._held = files.enter_context(held(self._route.backup))
            self._held.compare(self._route.fingerprint)
            backup = files.enter_context(self._held.opened())
            live = files.enter_context(closing(connect(self._route.database, self._route.wait)))
            self._prepare(backup)
            if live.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                self._watcher = files.enter_context(closing(connect(self._route.database)))
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
        """With a rollback journal: nobody else may even read until this connection is closed."""
        live.execute("PRAGMA locking_mode = EXCLUSIVE")
        live.execute("BEGIN EXCLUSIVE")
        self._compare(live)
        live.execute("COMMIT")

    def _compare(self, live: sqlite3.Connection) -> None:
        """The compare of compare-and-set: called only while nobody else can write."""
        recognise(live, self._marker.expected)
        self._recognise_files()
        self._marker = replace(self._marker, facts={**self._marker.facts, "version": version(live)})

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
        if self._stop.is_set():
            raise CopyStopped(
                f"Stopped after {total - remaining} of {total} pages; the database is as it was."
            )
        self.done = total - remaining
        if remaining <= self._step:
            self._recognise_files()
            self._write(MarkerStage.CLOSING)
        if self._route.pages_per_second is not None:
            self._stop.wait(self._step / self._route.pages_per_second)

    def _begin(self) -> None:
        """Our transaction holds the database from here on. With a WAL others still read what was before."""
        if self._watcher is not None:
            self._compare(self._watcher)
        self._write(MarkerStage.TAKEN)
        self.begun.set_result(None)

    def _write(self, stage: MarkerStage, words: str = "") -> None:
        self._marker = replace(self._marker, stage=stage, words=words)
        self._slot.write(self._marker)


def save_copy(database: Path, unfinished: Path, path: Path, expected: str, seconds: float) -> None:
    """Saves the live database as `path`, whole, checked and durable, or not at all.

    Raises StateChanged when it is not the one that was expected, Blocked when it is damaged. Where only the
    application can read an index of it, SQLite's copy is trusted: it is the same page by page.
    """
    unfinished.unlink(missing_ok=True)
    with reading(database) as live, closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
        live.backup(copy)  # in one go: one moment of the database, even beside its writers
        copy.execute("PRAGMA journal_mode = DELETE")  # one file that stands alone
        recognise(copy, expected)
        recognise_place(database, expected)
        with suppress(Foreign), sqlite_errors():
            if fault := faults(copy, "integrity_check", seconds):
                raise Blocked(f"The state before is damaged and cannot be saved: {fault}.")
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())
    os.link(unfinished, path)  # unlike a rename it never replaces somebody else's file
    sync_folder(path.parent)
    unfinished.unlink()
