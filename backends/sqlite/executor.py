"""An SQLite database in a file, with its writers attached, and a folder of backups.

A backup is `backups/<YYYYmmddTHHMMSSZ>.db`; the state saved before a run is `backups/pre-<run id>.db`.
Identity is the file and its schema: new rows are traffic, a migration is a change. The copying is in
`copying`, the reading in `reading`, how two differ in `counting`; what they mean for a restore is here.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from backends.choosing import named, point_for
from backends.file_digests import DIGESTS
from backends.marker import (
    ANOTHER_PLAN,
    ENDED,
    UNSIGNED,
    Marker,
    Markers,
    MarkerStage,
    Slot,
    fate_of,
    file_errors,
)
from backends.patience import Readings
from backends.references import Resolver
from backends.sqlite.backups import backups_in, was_wal
from backends.sqlite.comparing import Difference, NotCompared, folded
from backends.sqlite.copying import Copy, CopyRoute, save_copy
from backends.sqlite.counting import Counting
from backends.sqlite.held import held
from backends.sqlite.reading import (
    AT,
    WAIT_SECONDS,
    Damaged,
    OutOfTime,
    faults,
    identity,
    place_of,
    reading,
    reading_backup,
    recognise,
    recognise_place,
    sqlite_errors,
    token_of,
    version,
)
from backends.sqlite.settings import SqliteSettings
from backends.sqlite.telling import changes, finding, rows_of, sentence, units_of
from backends.worker_key import WorkerKey
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
    Progress,
    StateChanged,
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
    Preview,
    RestorePoint,
    UndoMode,
    Verdict,
    Way,
)

COUNTING_SECONDS = 10.0  # for how all tables differ, unless the settings say otherwise
CHECKING_SECONDS = 60.0  # for quick_check and integrity_check
STOPPING_SECONDS = 10.0  # for a copy to be taken back


class Sqlite:
    place = None
    capabilities = Capabilities(
        fenced=True,
        cancel=True,
        undo=UndoMode.EXACT,
    )

    def __init__(
        self,
        database: Path,
        backups: Path,
        key: WorkerKey,
        tables: tuple[str, ...] = (),  # empty: every table
        pages_per_second: int | None = None,  # None: as fast as the disk
        counting: float = COUNTING_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._backups = backups
        self._tables = tables
        self._pages_per_second = pages_per_second
        self._clock = clock
        self._markers = Markers(backups, key)
        self._counting = Counting(database, self._markers, tables, counting)
        self._readings = Readings()
        self._copies: dict[str, Copy] = {}  # of this process, by op id

    async def restore_points(self, limit: int = 50) -> Points:
        found = await asyncio.to_thread(backups_in, self._backups)
        current = await asyncio.to_thread(self._current)
        return Points(found.points[:limit], current, found.left_out)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return await asyncio.to_thread(self._plan, goal, now)

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
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
        return backups_in(self._backups).points

    def _current(self) -> Current:
        with self._reading() as live, file_errors():
            schema_now = identity(live)
            token = token_of(schema_now, place_of(self._database))
        return Current(id=f"schema-{schema_now[:8]}", token=token, label=f"live, schema {schema_now[:8]}")

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
        self._readings.of(point.id, "bytes", partial(DIGESTS.of, self._file(point.id)))
        with held(self._file(point.id)) as backup:
            way = self._way(replace(point, fingerprint=backup.digest), points, current, now)
            try:
                backup.check()
            except StateChanged:  # what was looked at may not be what is pinned
                raise Busy(f"Somebody wrote to the backup `{point.id}` while it was read.") from None
        return way

    def _way(
        self, point: RestorePoint, points: tuple[RestorePoint, ...], current: Current, now: datetime
    ) -> Way:
        unchecked = self._refuse_damaged(point, points)
        return Way(
            point=point,
            current=current,
            loss=self._measure(point, now),
            diff="\n".join(self._changes(point)),
            preview=Preview.EXACT,
            warnings=(*unchecked, *self._journal_warnings(point), *self._markers.warnings()),
            blockers=(*self._space_blockers(point), *self._page_blockers(point)),
            downtime=self._duration(point),
            undo=UndoMode.EXACT,
        )

    def _refuse_damaged(self, point: RestorePoint, points: tuple[RestorePoint, ...]) -> tuple[str, ...]:
        """Raises PointUnavailable; a warning when there was no time to read all of it."""
        try:
            with reading_backup(self._file(point.id)) as backup:
                fault = faults(backup, "quick_check", CHECKING_SECONDS)
        except Damaged as damage:
            fault = str(damage)
        except (OutOfTime, Blocked) as reason:
            return (f"The backup was not checked completely: {sentence(reason)}",)
        if not fault:
            return ()
        older = [one.id for one in points if one.id != point.id][:3]
        others = f"; others are {', '.join(f'`{one}`' for one in older)}" if older else ""
        raise PointUnavailable(f"The backup `{point.id}` is damaged ({fault}){others}.")

    @file_errors()
    def _measure(self, point: RestorePoint, now: datetime) -> Loss:
        named(point.id, self._points())
        try:
            found = self._counting.differences(self._file(point.id))
        except (OutOfTime, Blocked) as reason:
            return Loss(LossQuality.UNKNOWN, point.at, basis=f"rows: {reason}", measured_at=now)
        compared = {folded(one.table) for one in found}
        missing = sorted(name for name in self._tables if folded(name) not in compared)
        unknown = [
            *(f"no table {name}" for name in missing),
            *(f"{one.table}: {one.why}" for one in found if isinstance(one, NotCompared)),
        ]
        return Loss(
            quality=LossQuality.UNKNOWN if unknown else LossQuality.MEASURED,
            since=point.at,
            units=tuple(unit for one in found if isinstance(one, Difference) for unit in units_of(one)),
            basis="; ".join(unknown),
            measured_at=now,
        )

    def _changes(self, point: RestorePoint) -> Iterator[str]:
        with self._reading() as live, reading_backup(self._file(point.id)) as old:
            yield from changes(live, old)

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
            self._refuse_unplaced(work)
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
        if not marker.signed and not work.unsigned:
            raise Blocked(UNSIGNED.words)
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
        self._refuse_unplaced(work)
        with self._reading() as live:
            recognise(live, work.expected)
            recognise_place(self._database, work.expected)
        backup = self._file(named(work.point, self._points()).id)
        wait = min(WAIT_SECONDS, work.timeout)
        return CopyRoute(backup, work.fingerprint, self._database, self._pages_per_second, wait)

    def _refuse_unplaced(self, work: Work) -> None:
        """Only what an earlier version planned may leave open which file is meant."""
        if AT not in work.expected and not work.unsigned:
            raise StateChanged("The plan does not say which file it was made for.")

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
        doubt = ""
        try:
            rows = self._rows(work)
        except (OutOfTime, PointUnavailable, StateChanged, Blocked) as reason:
            doubt = sentence(reason) if isinstance(reason, StateChanged) else ""
            words = f"Nothing to compare with: {sentence(reason)}"
            rows = (finding("rows", Verdict.INCONCLUSIVE, None, words),)
        return (self._integrity(), self._arrival(work, doubt), *rows)

    def _integrity(self) -> Finding:
        try:
            with self._reading() as live:
                fault = faults(live, "integrity_check", CHECKING_SECONDS)
        except Damaged as damage:
            fault = str(damage)
        except (OutOfTime, Blocked) as reason:
            words = f"The check did not end: {sentence(reason)}"
            return finding("integrity", Verdict.INCONCLUSIVE, None, words)
        verdict = Verdict.FAILED if fault else Verdict.PASSED
        return finding("integrity", verdict, fault or "ok", fault or "The file is whole.")

    def _arrival(self, work: Work, doubt: str) -> Finding:
        """`doubt`: why nobody can say any more what was to arrive."""
        found = self._find(work)
        verdicts = {Fate.DONE: Verdict.PASSED, Fate.OVERTAKEN: Verdict.FAILED}
        verdict = verdicts.get(found.fate, Verdict.INCONCLUSIVE)
        if doubt and verdict is Verdict.PASSED:
            return finding("restored database", Verdict.INCONCLUSIVE, self._current().id, doubt)
        return finding("restored database", verdict, self._current().id, found.words)

    def _rows(self, work: Work) -> tuple[Finding, ...]:
        path = self._file(named(work.point, self._points()).id)
        with held(path) as backup:
            backup.compare(work.fingerprint)
            found = self._counting.differences(path)
            backup.check()
        return tuple(rows_of(one, behind_maintenance=work.in_maintenance) for one in found)


def build(settings: SqliteSettings, resolver: Resolver) -> Sqlite:
    """Raises ConfigurationError when a reference cannot be resolved."""
    database, backups = resolver.path(settings.database), resolver.path(settings.backups)
    key = resolver.surroundings.key
    return Sqlite(database, backups, key, settings.tables, settings.pages_per_second, settings.counting)
