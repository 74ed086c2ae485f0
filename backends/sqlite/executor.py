"""An SQLite database in a file, with its writers attached, and a folder of backups.

A backup is `backups/<YYYYmmddTHHMMSSZ>.db`; the state saved before a run is `backups/pre-<run id>.db`.
Identity is the schema: new rows are traffic, a migration is a change. The copying is in `sqlite_copy`,
the reading in `sqlite_reading`; this file says what they mean for a restore.
"""

import asyncio
import shutil
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from backends.choosing import named, point_for
from backends.marker import ANOTHER_PLAN, ENDED, Marker, Markers, MarkerStage, Slot, fate_of, file_errors
from backends.references import Resolver
from backends.sqlite.backups import backups_in, is_saved, was_wal
from backends.sqlite.copying import Copy, CopyRoute, save_copy
from backends.sqlite.reading import (
    WAIT_SECONDS,
    Difference,
    OutOfTime,
    beside,
    differences,
    faults,
    identity,
    reading,
    reading_backup,
    recognise,
    schema,
    sqlite_errors,
    tables,
    version,
)
from backends.sqlite.settings import SqliteSettings
from backends.sqlite.telling import finding, rows_of, told
from bot.clock import Clock, utc_now
from bot.contract import (
    Blocked,
    Busy,
    CancelAnswer,
    Capabilities,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    PointUnavailable,
    Preview,
    Progress,
    Taken,
    Work,
)
from bot.model import (
    Current,
    Finding,
    Goal,
    Loss,
    LossQuality,
    Points,
    RestorePoint,
    UndoMode,
    Unit,
    Verdict,
    Way,
)

COUNTING_SECONDS = 10.0  # with a rollback journal nobody can write meanwhile
CHECKING_SECONDS = 60.0  # for quick_check and integrity_check
STOPPING_SECONDS = 10.0  # for a copy to be taken back


class Sqlite:
    place = None
    capabilities = Capabilities(
        fenced=True,
        preview=Preview.EXACT,
        compare_and_set=True,
        cancel=True,
        undo=UndoMode.EXACT,
        progress=True,
    )

    def __init__(
        self,
        database: Path,
        backups: Path,
        tables: tuple[str, ...] = (),  # empty: every table
        pages_per_second: int | None = None,  # None: as fast as the disk
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._backups = backups
        self._tables = tables
        self._pages_per_second = pages_per_second
        self._clock = clock
        self._markers = Markers(backups)
        self._copies: dict[str, Copy] = {}  # of this process, by op id

    async def restore_points(self, limit: int = 50) -> Points:
        points = (await asyncio.to_thread(self._points))[:limit]
        saved = frozenset(point.id for point in points if is_saved(point))
        current = await asyncio.to_thread(self._current)
        return Points(points, current, saved=saved, all_earlier=True)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return await asyncio.to_thread(self._plan, goal, now)

    async def measure(self, point: RestorePoint, now: datetime) -> Loss | None:
        return await asyncio.to_thread(self._measure, point, now)

    async def undo_point(self, work: Work) -> RestorePoint | None:
        return await asyncio.to_thread(self._save, work)

    async def start(self, work: Work) -> Handle | Taken:
        """Returns once the copy holds the database; it goes on in a thread."""
        copy = await asyncio.to_thread(self._start, work)
        if copy is None:
            return Taken.TAKEN
        await asyncio.wrap_future(copy.begun)
        return {"op_id": work.op_id}

    async def find(self, work: Work) -> Found:
        return await asyncio.to_thread(self._find, work)

    async def poll(self, work: Work, handle: Handle) -> Progress:
        copy = self._copies.get(work.op_id)
        if copy is not None and not copy.ended.is_set():
            return Progress(None, self._clock(), "Copying.", copy.done, copy.total, "pages")
        found = await self.find(work)
        if found.fate is Fate.UNKNOWN:
            raise OutcomeUnknown(found.words)
        self._copies.pop(work.op_id, None)
        return Progress(ENDED[found.fate], self._clock(), found.words)

    async def cancel(self, work: Work, handle: Handle) -> CancelAnswer:
        """Only a copy of this process can be stopped, and only before its last pages."""
        copy = self._copies.get(work.op_id)
        if copy is None:
            return CancelAnswer.IMPOSSIBLE
        copy.stop()
        await asyncio.to_thread(copy.ended.wait, STOPPING_SECONDS)
        found = await self.find(work)
        return CancelAnswer.CLEAN if found.fate is Fate.FAILED else CancelAnswer.IMPOSSIBLE

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return await asyncio.to_thread(self._verify, work)

    # Reading

    def _points(self) -> tuple[RestorePoint, ...]:
        return backups_in(self._backups)

    def _current(self) -> Current:
        with self._reading() as live:
            token = identity(live)
        return Current(id=f"schema-{token[:8]}", token=token, label=f"live, schema {token[:8]}")

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        return reading(self._database)

    def _file(self, point: str) -> Path:
        """Only for ids that were listed."""
        return self._backups / f"{point}.db"

    # Planning

    @file_errors()
    def _plan(self, goal: Goal, now: datetime) -> Way:
        current = self._current()
        points = self._points()
        point = point_for(goal, points)
        unchecked = self._refuse_damaged(point, points)
        return Way(
            point=point,
            current=current,
            loss=self._measure(point, now),
            changes=self._changes(point),
            warnings=(*unchecked, *self._journal_warnings(point)),
            blockers=(*self._space_blockers(point), *self._page_blockers(point)),
            downtime=self._duration(point),
            undo=UndoMode.EXACT,
        )

    def _refuse_damaged(self, point: RestorePoint, points: tuple[RestorePoint, ...]) -> tuple[str, ...]:
        """Raises PointUnavailable; a warning when there was no time to read all of it."""
        try:
            with reading_backup(self._file(point.id)) as backup:
                fault = faults(backup, "quick_check", CHECKING_SECONDS)
        except OutOfTime as late:
            return (f"The backup was not checked completely: {late}.",)
        except Blocked as damage:
            fault = str(damage)
        if not fault:
            return ()
        older = [one.id for one in points if one.id != point.id][:3]
        others = f"; others are {', '.join(f'`{one}`' for one in older)}" if older else ""
        raise PointUnavailable(f"The backup `{point.id}` is damaged ({fault}){others}.")

    @file_errors()
    def _measure(self, point: RestorePoint, now: datetime) -> Loss:
        named(point.id, self._points())
        seconds = None if point.at is None else max(0.0, (now - point.at).total_seconds())
        try:
            found = self._differences(point.id)
        except OutOfTime as late:
            return Loss(LossQuality.UNKNOWN, seconds, basis=f"rows were not counted: {late}", measured_at=now)
        except Blocked as refusal:
            return Loss(LossQuality.UNKNOWN, seconds, basis=f"rows: {refusal}", measured_at=now)
        missing = sorted(set(self._tables) - {one.table for one in found})
        uncounted = [
            *(f"no table {name}" for name in missing),
            *(told(one) for one in found if not self._counts(one)),
        ]
        return Loss(
            quality=LossQuality.UNKNOWN if uncounted else LossQuality.MEASURED,
            seconds=seconds,
            units=tuple(Unit(one.table, one.added) for one in found if self._is_named(one.table)),
            basis="; ".join(uncounted),
            measured_at=now,
        )

    def _is_named(self, table: str) -> bool:
        return not self._tables or table in self._tables

    def _counts(self, difference: Difference) -> bool:
        """Whether the number of its added rows says all that is lost: nothing else of the table differs."""
        only_added = not (difference.changed or difference.deleted or difference.columns)
        return difference.paired and only_added and (self._is_named(difference.table) or not difference.added)

    def _differences(self, point: str) -> tuple[Difference, ...]:
        with beside(self._database, self._file(point)) as both:
            named = dict.fromkeys(self._tables)  # their order is the order of the figures
            names = [*named, *sorted((tables(both) | tables(both, "point")) - named.keys())]
            return differences(both, names, COUNTING_SECONDS)

    def _changes(self, point: RestorePoint) -> tuple[str, ...]:
        with beside(self._database, self._file(point.id)) as both:
            live, old = schema(both), schema(both, "point")
        return (
            *(f"{kind} {name} goes" for kind, name in sorted(live.keys() - old.keys())),
            *(f"{kind} {name} comes back" for kind, name in sorted(old.keys() - live.keys())),
            *(
                f"{kind} {name} gets its earlier definition"
                for kind, name in sorted(live.keys() & old.keys())
                if live[kind, name] != old[kind, name]
            ),
        )

    def _journal_warnings(self, point: RestorePoint) -> tuple[str, ...]:
        if self._pragma("journal_mode") == "wal" or not was_wal(self._file(point.id)):
            return ()
        return ("The journal mode becomes WAL, as in the backup.",)

    def _page_blockers(self, point: RestorePoint) -> tuple[str, ...]:
        with reading_backup(self._file(point.id)) as backup:
            of_backup = backup.execute("PRAGMA page_size").fetchone()[0]
        if self._pragma("journal_mode") != "wal" or self._pragma("page_size") == of_backup:
            return ()
        return (
            f"The backup has pages of {of_backup} bytes: SQLite cannot copy it over a database with WAL.",
        )

    def _pragma(self, name: str) -> str | int:
        with self._reading() as live:
            value: str | int = live.execute(f"PRAGMA {name}").fetchone()[0]
            return value

    def _space_blockers(self, point: RestorePoint) -> tuple[str, ...]:
        """The undo copy goes beside the backups; the journal or WAL of the restore beside the database."""
        needed: dict[int, int] = {}
        free: dict[int, int] = {}
        for folder, size in (
            (self._backups, self._database.stat().st_size),
            (self._database.parent, self._file(point.id).stat().st_size),
        ):
            disk = folder.stat().st_dev
            needed[disk] = needed.get(disk, 0) + size
            free[disk] = shutil.disk_usage(folder).free
        short = max(needed[disk] - free[disk] for disk in needed)
        return (f"The disk lacks {short:,} bytes for the undo point and the journal.",) if short > 0 else ()

    def _duration(self, point: RestorePoint) -> float | None:
        if self._pages_per_second is None:
            return None
        with reading_backup(self._file(point.id)) as backup:
            return float(backup.execute("PRAGMA page_count").fetchone()[0]) / self._pages_per_second

    # The undo point

    @file_errors()
    def _save(self, work: Work) -> RestorePoint:
        slot = self._markers.take(work.op_id)
        if slot is None:
            raise Busy("The undo point is being saved.")
        with slot, sqlite_errors():
            marker = self._saving(work, slot)
            path = self._backups / str(marker.facts["saves"])
            if not path.exists():
                unfinished = self._markers.folder / f"{work.op_id}.db"
                save_copy(self._database, unfinished, path, work.expected, work.timeout)
            slot.write(replace(marker, stage=MarkerStage.DONE))
        return named(path.stem, self._points())

    def _saving(self, work: Work, slot: Slot) -> Marker:
        """The name is chosen once for an op id, so whatever stands there later is ours.

        Run numbers recur after a fresh state folder, and what an earlier run saved stays.
        """
        marker = slot.read()
        if marker is None:
            name = f"pre-{work.run_id}.db"
            if (self._backups / name).exists():
                name = f"pre-{work.op_id}.db"
            marker = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN, {"saves": name})
            slot.write(marker)
        if not marker.is_of(work):
            raise Blocked(ANOTHER_PLAN)
        return marker

    # The restore

    @file_errors()
    def _start(self, work: Work) -> Copy | None:
        """None: it was taken before. The slot goes with the copy, which closes it."""
        slot = self._markers.take(work.op_id)
        if slot is None:
            return None
        try:
            if fate_of(work, slot.read(), self._fate).fate is not Fate.ABSENT:
                slot.close()
                return None
            copy = Copy(
                self._route(work), Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN), slot
            )
            copy.start()
        except BaseException:
            slot.close()
            raise
        self._copies[work.op_id] = copy
        return copy

    def _route(self, work: Work) -> CopyRoute:
        """Looked at once more before anybody is locked out; what counts is what the copy sees."""
        with self._reading() as live:
            recognise(live, work.expected)
        point = named(work.point, self._points())
        return CopyRoute(
            self._file(point.id), self._database, self._pages_per_second, min(WAIT_SECONDS, work.timeout)
        )

    @file_errors()
    def _find(self, work: Work) -> Found:
        return self._markers.find(work, self._fate)

    def _fate(self, marker: Marker) -> Found:
        if "saves" in marker.facts:
            return self._fate_of_saving(marker)
        match marker.stage:
            case MarkerStage.TAKEN:
                return Found(Fate.ABSENT, "It was taken, but the copy was never finished.")
            case MarkerStage.FAILED:
                return Found(Fate.FAILED, marker.words)
            case MarkerStage.CLOSING | MarkerStage.DONE:
                return self._fate_in_the_world(marker)

    def _fate_of_saving(self, marker: Marker) -> Found:
        name = str(marker.facts["saves"])
        if (self._backups / name).exists():
            return Found(Fate.DONE, f"{name} is saved.")
        return Found(Fate.ABSENT, f"{name} was never finished.")

    def _fate_in_the_world(self, marker: Marker) -> Found:
        """The backup API raises the schema version by exactly one, in the transaction of the copy."""
        with self._reading() as live:
            moved = version(live) - int(marker.facts["version"])
            schema_now = identity(live)
        if moved == 0 and marker.stage is MarkerStage.CLOSING:
            return Found(Fate.ABSENT, "The copy was not finished.")
        if moved == 1 and schema_now == marker.facts["schema"]:
            return Found(Fate.DONE, f"{marker.point} is live.")
        if marker.stage is MarkerStage.DONE:
            return Found(Fate.OVERTAKEN, f"{marker.point} was live; the schema was changed again since.")
        return Found(Fate.UNKNOWN, "The copy was nearly finished, and the schema was changed since.")

    # Verification

    @file_errors()
    def _verify(self, work: Work) -> tuple[Finding, ...]:
        return (self._integrity(), self._arrival(work), *self._rows(work))

    def _integrity(self) -> Finding:
        try:
            with self._reading() as live:
                fault = faults(live, "integrity_check", CHECKING_SECONDS)
        except OutOfTime as late:
            return finding("integrity", Verdict.INCONCLUSIVE, None, f"The check did not end: {late}.")
        except Blocked as damage:
            fault = str(damage)
        verdict = Verdict.FAILED if fault else Verdict.PASSED
        return finding("integrity", verdict, fault or "ok", fault or "The file is whole.")

    def _arrival(self, work: Work) -> Finding:
        found = self._find(work)
        verdicts = {Fate.DONE: Verdict.PASSED, Fate.OVERTAKEN: Verdict.FAILED}
        verdict = verdicts.get(found.fate, Verdict.INCONCLUSIVE)
        return finding("restored database", verdict, self._current().id, found.words)

    def _rows(self, work: Work) -> tuple[Finding, ...]:
        try:
            named(work.point, self._points())
            found = [one for one in self._differences(work.point) if self._is_named(one.table)]
        except (OutOfTime, PointUnavailable, Blocked) as reason:
            words = f"Nothing to compare with: {reason}"
            return (finding("rows", Verdict.INCONCLUSIVE, None, words),)
        return tuple(map(rows_of, found))


def build(settings: SqliteSettings, resolver: Resolver) -> Sqlite:
    """Raises ConfigurationError when a reference cannot be resolved."""
    database, backups = resolver.path(settings.database), resolver.path(settings.backups)
    return Sqlite(database, backups, settings.tables, settings.pages_per_second)
