"""What a run has removed, read from two files that stand still: its undo point and its restore point.

The live database is not asked, so it does not matter what was written since. How two tables differ is in
`comparing`; here both files are held in hand, and rows go on a few at a time.
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from backends.marker import file_errors
from backends.sqlite.backups import is_raw
from backends.sqlite.comparing import (
    HIDES_ROWS,
    Compared,
    NotCompared,
    TablePair,
    compared,
    different_rows,
    not_compared,
    pair_called,
    tables_of_both,
)
from backends.sqlite.held import HeldBackup, held
from backends.sqlite.identifiers import folded
from backends.sqlite.reading import two_backups
from backends.threads import Threads
from bot.contract import (
    Cell,
    Denied,
    Removal,
    RowListed,
    StateChanged,
    TableListed,
    TableNotListed,
    Unsupported,
)

ROWS_AT_ONCE: Final = 500
BYTES_AT_ONCE: Final = 1 << 20  # of text and blobs: rows may be large, and a few of them fill the memory
NUMBER_BYTES: Final = 8
STATEMENTS_BETWEEN_LOOKS: Final = 10_000  # of SQLite's machine, until it is seen that nobody waits any more
CLOSING_SECONDS: Final = 5.0  # for a thread to let go of the files; it does so later all the same

Batch: TypeAlias = tuple[RowListed, ...]


class Listings:
    def __init__(self, file: Callable[[str], Path], personal: Iterable[str] = ()) -> None:
        """`file`: the file of a restore point that is listed. `personal`: names of tables about people."""
        self._file = file
        self._personal = {folded(name): name for name in personal}
        self._threads = Threads()

    async def tables(self, removal: Removal) -> tuple[TableListed | TableNotListed, ...]:
        stopping = threading.Event()
        try:
            return await self._threads.run(self._tables, removal, stopping)
        finally:
            stopping.set()

    async def rows(self, removal: Removal, table: str, personal: bool) -> AsyncGenerator[Batch, None]:
        if not personal and folded(table) in self._personal:
            raise Denied(f"The rows of `{table}` are about people, and nobody has asked for those.")
        stopping = threading.Event()
        steps = _Steps(self._batches(removal, table, stopping))
        try:
            while (batch := await self._threads.run(steps.next)) is not None:
                yield batch
        finally:
            stopping.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self._threads.run(steps.close)

    @file_errors()
    def _tables(
        self, removal: Removal, stopping: threading.Event
    ) -> tuple[TableListed | TableNotListed, ...]:
        with self._both(removal, stopping) as both:
            found = [self._listed(pair, one) for pair, one in compared(both, tables_of_both(both))]
        there = {folded(one.table) for one in found}
        missing = [name for key, name in self._personal.items() if key not in there]
        why = "the settings call it personal, and there is no such table"
        return (*found, *(TableNotListed(name, why) for name in missing))

    def _listed(self, pair: TablePair | None, found: Compared) -> TableListed | TableNotListed:
        if isinstance(found, NotCompared):
            return TableNotListed(found.table, _why_not(found))
        assert pair is not None  # what was compared is known
        both = [table for table in (pair.now, pair.then) if table is not None]
        titles = {column.name: column.title for table in both for column in table.columns}
        return TableListed(
            found.table,
            found.added,
            found.changed,
            found.deleted,
            key=tuple(titles[name] for name in pair.key),
            removed=pair.now.titles if pair.now else (),
            restored=pair.then.titles if pair.then else (),
            computed=tuple(dict.fromkeys(name for table in both for name in table.computed)),
            personal=folded(found.table) in self._personal,
            without=found.without,
        )

    def _batches(
        self, removal: Removal, table: str, stopping: threading.Event
    ) -> Generator[Batch, None, None]:
        with file_errors(), self._both(removal, stopping) as both:
            try:
                yield from _in_batches(self._rows(both, table))
            except sqlite3.DatabaseError as error:
                if (found := not_compared(table, error)) is None:
                    raise
                raise Unsupported(f"The rows of `{table}` cannot be listed: {_why_not(found)}.") from error

    def _rows(self, both: sqlite3.Connection, table: str) -> Iterator[RowListed]:
        pair = pair_called(both, table)
        if pair is None:
            raise Unsupported(f"There is no table `{table}`, neither before the restore nor after it.")
        if pair.hides_rows:
            raise Unsupported(f"The rows of `{table}` cannot be listed: {HIDES_ROWS}.")
        yield from (RowListed(*row) for row in different_rows(both, pair))

    @contextmanager
    def _both(self, removal: Removal, stopping: threading.Event) -> Iterator[sqlite3.Connection]:
        """Both files, seen to be what they were when it begins, and once more when it ends."""
        _refuse_raw(removal)
        saved_path, restored_path = self._file(removal.undo), self._file(removal.point)
        with held(saved_path) as saved, held(restored_path) as restored:
            _refuse_other(saved, removal.undo_content, "saved")
            _refuse_other(restored, removal.fingerprint, "restored")
            with two_backups(saved_path, restored_path) as both:
                both.set_progress_handler(stopping.is_set, STATEMENTS_BETWEEN_LOOKS)
                saved.check()
                restored.check()
                yield both
            saved.check()
            restored.check()


class _Steps:
    """A generator that goes on in threads, one step at a time."""

    def __init__(self, batches: Generator[Batch, None, None]) -> None:
        self._batches = batches
        self._one_at_a_time = threading.Lock()

    def next(self) -> Batch | None:
        """None: there are no more."""
        with self._one_at_a_time:
            return next(self._batches, None)

    def close(self) -> None:
        """Waits for a step under way: nobody else may touch its connection."""
        with self._one_at_a_time:
            self._batches.close()


def _why_not(found: NotCompared) -> str:
    return f"it is damaged ({found.why})" if found.damaged else found.why


def _refuse_raw(removal: Removal) -> None:
    """Raises Unsupported where one of the two is no database that SQLite opens."""
    for name in filter(is_raw, (removal.undo, removal.point)):
        raise Unsupported(
            f"`{name}` keeps a damaged database byte by byte, and no rows of it can be listed: unpack a copy "
            "of it with `tar xf`, and look at that with `sqlite3` and its command `.recover`."
        )


def _refuse_other(backup: HeldBackup, content: str, what: str) -> None:
    """Raises StateChanged unless it holds what was saved, or restored, in the run."""
    name = backup.path.stem
    if not content:
        raise StateChanged(
            f"Nobody has noted what `{name}` held when it was {what}, so nothing can be said by it."
        )
    if backup.digest != content:
        raise StateChanged(
            f"`{name}` is not what was {what}: that was {content[:8]}…, {backup.digest[:8]}… is there now. "
            "Put that file back, else nobody can say what was removed."
        )


def _in_batches(rows: Iterable[RowListed]) -> Iterator[Batch]:
    batch: list[RowListed] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += _bytes_of(row.removed) + _bytes_of(row.restored)
        if len(batch) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def _bytes_of(cells: tuple[Cell, ...] | None) -> int:
    return sum(len(cell) if isinstance(cell, str | bytes) else NUMBER_BYTES for cell in cells or ())
