"""Counting how the live database differs from a backup, beside its writers and within a time.

With a WAL it is counted in one read transaction, which holds up nobody. With a rollback journal a reader
keeps writers out: there a copy is counted.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from backends.marker import MADE_HERE, Markers
from backends.sqlite.comparing import Compared, NotCompared, differences
from backends.sqlite.reading import OutOfTime, beside, reading
from bot.contract import Blocked

PAGES_AT_ONCE = 256  # between two goes writers have their turn
TURN_SECONDS = 0.001
MOST_PATIENCE_TIMES = 4  # as long, when it is tried again after it was not enough
COPY = "compared-*.db"


class Counting:
    """`tables` come first, in their order; `seconds` for all of them together."""

    def __init__(self, database: Path, markers: Markers, tables: tuple[str, ...], seconds: float) -> None:
        self._database = database
        self._markers = markers
        self._tables = tables
        self._seconds = seconds
        self._patience: dict[Path, int] = {}  # by backup: how many times as long its count may take

    def differences(self, backup: Path) -> tuple[Compared, ...]:
        """Each try after one that ran out of time gets twice as long, up to four times. Raises OutOfTime."""
        try:
            found = self._differences(backup, self._seconds * self.patience(backup))
        except OutOfTime:
            self._wait_longer(backup)
            raise
        if any(isinstance(one, NotCompared) and one.late for one in found):
            self._wait_longer(backup)
        return found

    def patience(self, backup: Path) -> int:
        """Returns how many times as long the next count may take."""
        return self._patience.get(backup, 1)

    def _wait_longer(self, backup: Path) -> None:
        self._patience[backup] = min(self.patience(backup) * 2, MOST_PATIENCE_TIMES)

    def _differences(self, backup: Path, seconds: float) -> tuple[Compared, ...]:
        end = time.monotonic() + seconds
        with self._still(seconds) as database, beside(database, backup) as both:
            return differences(both, self._tables, max(0.0, end - time.monotonic()))

    @contextmanager
    def _still(self, seconds: float) -> Iterator[Path]:
        """Yields a database that holds up nobody who writes while it is read."""
        with reading(self._database) as live:
            journal = live.execute("PRAGMA journal_mode").fetchone()[0]
        if journal == "wal":
            yield self._database
            return
        self._markers.make_folder()
        with snapshot(self._database, self._markers.folder, seconds) as copy:
            yield copy


def give_way() -> None:
    """Lets those write who wait for it."""
    time.sleep(TURN_SECONDS)


@contextmanager
def snapshot(
    database: Path, folder: Path, seconds: float, turn: Callable[[], None] = give_way
) -> Iterator[Path]:
    """Yields a copy of the live database, which goes again at the end. Raises OutOfTime.

    It is read a few pages at a time and lets writers in between; whatever they write makes it begin anew.
    `turn` is called each time, while nothing is locked.
    """
    _remove_left(folder)
    size = database.stat().st_size
    if shutil.disk_usage(folder).free < size:
        raise Blocked(f"The disk lacks room for a copy of {size:,} bytes to count in.")
    path, lock = _own_file(folder)
    try:
        _copy(database, path, seconds, turn)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _copy(database: Path, path: Path, seconds: float, turn: Callable[[], None]) -> None:
    end = time.monotonic() + seconds

    def between(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > end:
            raise OutOfTime(f"not finished after {seconds:.0f} s beside its writers")
        turn()

    with reading(database) as live, closing(sqlite3.connect(path, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA journal_mode = OFF")  # nobody needs half of it: one file, and none beside it
        live.backup(copy, pages=PAGES_AT_ONCE, progress=between, sleep=0.01)


def _own_file(folder: Path) -> tuple[Path, int]:
    """Returns a new empty file and a descriptor that locks it: the kernel says when its owner is gone."""
    while True:
        path = folder / COPY.replace("*", secrets.token_hex(8))
        lock = os.open(path, MADE_HERE, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return path, lock
        os.close(lock)  # somebody took it for one that was left


def _remove_left(folder: Path) -> None:
    """Removes copies whose owner was killed."""
    for path in folder.glob(COPY):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # its owner was faster, or it is none of ours
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            pass  # its owner lives
        finally:
            os.close(lock)
