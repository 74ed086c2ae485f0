"""An SQLite database in a file, with its writers attached, and a folder of backups.

A backup is called as the settings say; the state saved before a run is `backups/pre-<run id>.db`, and
that of a damaged database `backups/pre-<run id>.damaged.tar`. Identity is the file and its schema: new rows
are traffic, a migration or a repair is a change. The copying is in `copying`, where SQLite cannot copy in
`replacing`, the reading in `reading`, how two differ in `counting`, what became of a run in `fates`, what it
has removed in `listing`; what they mean for a restore is here.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from backends.choosing import named, point_for
from backends.examining import about_points
from backends.file_digests import DIGESTS, identity_of
from backends.in_thread import InThread, Underway
from backends.marker import Marker, Markers, MarkerStage, Slot, fate_of, file_errors
from backends.patience import Readings
from backends.references import Resolver
from backends.sqlite.backups import FoundBackups, backups_in, file_of, is_raw
from backends.sqlite.beside import COPIES, Copying, copy_file
from backends.sqlite.comparing import Compared
from backends.sqlite.condition import GONE, Condition, Looks
from backends.sqlite.copying import Copy, CopyRoute
from backends.sqlite.counting import Counting
from backends.sqlite.dropping import drop_once
from backends.sqlite.examining import about_undo_points
from backends.sqlite.fates import Fates
from backends.sqlite.held import held
from backends.sqlite.in_thread import OnDatabase, Restoring
from backends.sqlite.listing import Listings
from backends.sqlite.names import DEFAULT_NAMES
from backends.sqlite.personal import not_counted
from backends.sqlite.reading import (
    WAIT_SECONDS,
    OutOfTime,
    damage_of,
    reading,
    reading_backup,
    recognise,
    recognise_place,
    refuse_unplaced,
    schema_of,
)
from backends.sqlite.replacing import Replacing
from backends.sqlite.saving import SAVES, Kept, Saving, UndoFile, before_backup, free_name
from backends.sqlite.settings import SqliteSettings
from backends.sqlite.stands import Stands
from backends.sqlite.telling import changes, loss_of, without_words
from backends.sqlite.verifying import Arrival, contents_of, of_a_copy
from backends.threads import Threads
from backends.worker_key import WorkerKey
from bot.clock import Clock, utc_now
from bot.contents import Contents
from bot.contract import (
    Blocked,
    Busy,
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    PointUnavailable,
    Progress,
    Removal,
    RowListed,
    StateChanged,
    TableListed,
    TableNotListed,
    Taken,
    TargetMissing,
    Trouble,
    Unsupported,
    Work,
)
from bot.model import (
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Left,
    Loss,
    Points,
    Preview,
    RestorePoint,
    Way,
)

COUNTING_SECONDS = 10.0  # for how all tables differ, unless the settings say otherwise


class Sqlite:
    place = None
    capabilities = Capabilities(
        Fence.BARRED,
        does=frozenset({Do.PREPARE, Do.SAVE, Do.RESTORE}),
        drops=frozenset({Do.PREPARE, Do.SAVE}),
        backs_up=True,
        cancels=Left.BEFORE,
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
        names: tuple[str, ...] = DEFAULT_NAMES,
        wait: float = WAIT_SECONDS,  # seconds for a lock that somebody else holds
        personal: tuple[str, ...] = (),  # tables about people
    ) -> None:
        self._database = database
        self._backups = backups
        self._tables = tables
        self._pages_per_second = pages_per_second
        self._clock = clock
        self._names = names
        self._wait = wait
        self._looks = Looks(database, wait)
        self._markers = Markers(backups, key)
        self._counting = Counting(database, self._markers, tables, counting)
        self._fates = Fates(database, backups, self._points, self._reading)
        self._personal = personal
        self._listings = Listings(self._named, personal)
        self._readings = Readings()
        self._threads = Threads()
        self._underway = Underway(self.find, self._threads, clock, self._let_go)
        self._kept: dict[str, Kept] = {}  # by run: what has watched the database since its undo point

    async def points(self, limit: int = 50) -> Points:
        found, current = await self._threads.run(self._listed)
        return Points(found.points[:limit], current, found.left_out)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return await self._threads.run(self._plan, goal, now)

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        return await self._threads.run(self._measure, point, now)

    async def start(self, work: Work) -> Handle | Taken | Ended:
        """Returns once it holds the database; it goes on in a thread. What is dropped is gone at once."""
        if work.do is Do.DROP:
            return await self._threads.run(self._drop, work)
        going = await self._threads.run(self._begin, work)
        if going is None:
            return Taken.TAKEN
        await asyncio.wrap_future(going.begun)
        return {"op_id": work.op_id}

    async def find(self, work: Work) -> Found:
        return await self._threads.run(self._find, work)

    async def bar(self, work: Work) -> Found:
        return await self._threads.run(self._bar, work)

    async def poll(self, work: Work) -> Progress | Ended:
        return await self._underway.poll(work)

    async def cancel(self, work: Work) -> Left | None:
        """Only what goes on in this process can be stopped, and a restore only before its last pages."""
        return await self._underway.cancel(work)

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return await self._threads.run(self._verify, work)

    async def describe(self, work: Work) -> Contents:
        return await self._threads.run(contents_of, copy_file(self._markers.folder, work.op_id), work.timeout)

    async def list_removed(self, removal: Removal) -> tuple[TableListed | TableNotListed, ...]:
        return await self._listings.tables(removal)

    def rows_removed(
        self, removal: Removal, table: str, *, personal: bool = False
    ) -> AsyncGenerator[tuple[RowListed, ...], None]:
        return self._listings.rows(removal, table, personal)

    async def where(self) -> tuple[str, ...]:
        places = (self._database, self._backups)
        return tuple(filter(None, [await self._threads.run(identity_of, place) for place in places]))

    async def examine(self) -> tuple[Trouble, ...]:
        found, current = await self._threads.run(self._listed)
        listed = Points(found.points, current, found.left_out)
        return (*about_points(listed, self._clock()), *about_undo_points(found.points))

    # Reading

    @file_errors()
    def _listed(self) -> tuple[FoundBackups, Current]:
        found = self._found()
        condition = self._looks.at_all()
        self._refuse_nowhere(condition, found.points)
        return found, condition.current(self._database)

    def _found(self) -> FoundBackups:
        return backups_in(self._backups, self._names, self._database)

    def _points(self) -> tuple[RestorePoint, ...]:
        return self._found().points

    def _refuse_nowhere(self, condition: Condition, points: tuple[RestorePoint, ...]) -> None:
        """A database that is gone can come back from a backup; without one its name is taken for a slip."""
        if condition.damage == GONE and not points:
            raise TargetMissing(f"{self._database} does not exist, and there is no backup of it.")

    def _current(self) -> Current:
        with file_errors():
            return self._looks.at_all().current(self._database)

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        return reading(self._database, self._wait)

    def _file(self, point: str) -> Path:
        """Only for ids that were listed."""
        return file_of(self._backups, point)

    # Planning

    async def fingerprint(self, point: RestorePoint) -> str:
        return await self._threads.run(self._digest, point.id)

    @file_errors()
    def _digest(self, point: str) -> str:
        file = self._named(point)
        self._readings.of(point, "bytes", partial(DIGESTS.of, file))
        with held(file) as backup:
            return backup.digest

    @file_errors()
    def _plan(self, goal: Goal, now: datetime) -> Way:
        condition = self._looks.closely()
        points = self._points()
        self._refuse_nowhere(condition, points)
        if goal.point is not None:
            self._refuse_the_live_file(goal.point)
        point = point_for(goal, points)
        stands = Stands(self._database, self._backups, self._file(point.id), condition)
        stands.refuse_without_rights()
        self._readings.of(point.id, "bytes", partial(DIGESTS.of, self._file(point.id)))
        with held(self._file(point.id)) as backup:
            way = self._way(replace(point, fingerprint=backup.digest), points, stands, now)
            try:
                backup.check()
            except StateChanged:  # what was looked at may not be what is pinned
                raise Busy(f"Somebody wrote to the backup `{point.id}` while it was read.") from None
        return way

    def _refuse_the_live_file(self, point: str) -> None:
        """A second name of the live database holds no earlier state, so it is not listed."""
        both = self._file(point).exists() and self._database.exists()
        if both and self._file(point).samefile(self._database):
            raise PointUnavailable(f"The backup `{point}` is the live file itself, under another name.")

    def _way(
        self, point: RestorePoint, points: tuple[RestorePoint, ...], stands: Stands, now: datetime
    ) -> Way:
        unchecked = stands.refuse_damaged(one.id for one in points if one.id != point.id)
        found = self._compared(point, stands.condition)
        loss = loss_of(found, self._tables, point, now, self._personal)
        unseen = not_counted(self._personal, loss, stands.table_names()) if self._personal else ()
        told = stands.warnings(unchecked, without_words(found))
        return Way(
            point=point,
            current=stands.condition.current(self._database),
            loss=loss,
            diff="\n".join(self._changes(point)) if stands.compares else "",
            preview=Preview.EXACT if stands.compares else Preview.NONE,
            warnings=(*unseen, *told, *self._markers.warnings()),
            blockers=stands.blockers(self._tables),
            downtime=stands.duration(self._pages_per_second),
            undo=stands.undo(),
        )

    @file_errors()
    def _measure(self, point: RestorePoint, now: datetime) -> Loss:
        named(point.id, self._points())
        found = self._compared(point, self._looks.closely())
        return loss_of(found, self._tables, point, now, self._personal)

    def _compared(self, point: RestorePoint, condition: Condition) -> tuple[Compared, ...] | str:
        """Returns how each table differs, or why nobody knows."""
        if condition.damage:
            return f"the database is not whole: {condition.words}"
        if is_raw(point.id):
            return "what was kept is damaged, and no rows of it can be counted"
        try:
            return self._counting.differences(self._file(point.id))
        except (OutOfTime, Blocked) as reason:
            return f"rows: {reason}"

    def _changes(self, point: RestorePoint) -> Iterator[str]:
        with self._reading() as live, reading_backup(self._file(point.id)) as old:
            yield from changes(live, old)

    # What goes on in a thread

    @file_errors()
    def _begin(self, work: Work) -> OnDatabase | None:
        """None: it was taken before. From here on the slot is closed by the thread."""
        make = {Do.PREPARE: self._copying, Do.SAVE: self._saving}.get(work.do, self._restoring)
        slot = self._markers.take(work.op_id)
        if slot is None:
            return None
        with ExitStack() as unless_begun:
            unless_begun.enter_context(slot)
            if fate_of(work, slot.read(), self._fates.of).fate is not Fate.ABSENT:
                return None
            going: OnDatabase = make(work, slot)
            self._underway.begin(work.op_id, going)
            unless_begun.pop_all()
        return going

    def _copying(self, work: Work, slot: Slot) -> Copying:
        """Returns a copy to be begun. One for a drill expects nothing of what is live."""
        if work.expected:
            self._refuse_moved(work)
        backup, copy = self._named(work.point), copy_file(self._markers.folder, work.op_id)
        if is_raw(work.point):
            raise Unsupported(
                f"`{work.point}` is a damaged database, kept as it was: it cannot be looked into."
            )
        taken = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN, {COPIES: copy.name})
        slot.write(taken)
        return Copying(backup, work.fingerprint, copy, taken, slot)

    def _saving(self, work: Work, slot: Slot) -> Saving:
        """The marker has the name of a file that nobody has yet."""
        if work.is_backup:
            before_backup(self._markers, self._backups, self._database, self._clock())
        name = free_name(self._backups, self._names, work, self._clock())
        marker = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN, {SAVES: name})
        slot.write(marker)
        refuse_unplaced(work)
        self._refuse_other_damage(work)
        undo = UndoFile.of(work, self._backups / name, self._markers.folder)
        wait = min(self._wait, work.timeout)
        return Saving(self._database, undo, work.timeout, marker, slot, wait, is_backup=work.is_backup)

    def _let_go(self, work: Work, going: InThread) -> None:
        """Keeps the connection that knows whether anybody writes since it was saved."""
        if isinstance(going, Saving) and going.kept is not None:
            for earlier in self._kept.values():
                earlier.close()
            self._kept = {work.run_id: going.kept}

    @file_errors()
    def _drop(self, work: Work) -> Taken | Ended:
        return drop_once(self._markers, work, self._fates.of, lambda: self._named(work.undo or ""))

    # The restore

    def _restoring(self, work: Work, slot: Slot) -> Restoring:
        """SQLite copies where it can; else the file itself is replaced."""
        taken = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN)
        route = self._route(work)
        if schema_of(work.expected) and not is_raw(work.point):
            return Copy(route, taken, slot)
        return Replacing(route, work.op_id, taken, slot)

    def _route(self, work: Work) -> CopyRoute:
        """Looked at once more before anybody is locked out; what counts is what the copy sees."""
        self._refuse_moved(work)
        backup = self._named(work.point)
        return CopyRoute(
            backup,
            work.fingerprint,
            self._database,
            self._pages_per_second,
            min(self._wait, work.timeout),
            UndoFile.of(work, self._file(work.undo), self._markers.folder) if work.undo else None,
            work.undo_content,
            self._kept.pop(work.run_id, None),
        )

    def _refuse_moved(self, work: Work) -> None:
        """Raises StateChanged."""
        refuse_unplaced(work)
        self._refuse_other_damage(work)
        if schema_of(work.expected):
            with self._reading() as live:
                recognise(live, work.expected)
                recognise_place(self._database, work.expected)

    def _refuse_other_damage(self, work: Work) -> None:
        """Raises StateChanged where the database is not as damaged as the plan says, or repaired."""
        if not damage_of(work.expected):
            return
        now = self._looks.closely().current(self._database)
        if now.token != work.expected:
            raise StateChanged(f"The database is not as damaged as the plan says; now it is {now.label}.")

    @file_errors()
    def _find(self, work: Work) -> Found:
        return self._markers.find(work, self._fates.of)

    @file_errors()
    def _bar(self, work: Work) -> Found:
        return self._markers.bar(work, self._fates.of)

    # Verification

    @file_errors()
    def _verify(self, work: Work) -> tuple[Finding, ...]:
        if work.do is Do.PREPARE:
            return of_a_copy(copy_file(self._markers.folder, work.op_id), work.fingerprint)
        arrival = Arrival(self._database, self._counting, self._wait)
        found = self._find(work)
        return arrival.findings(work, found, partial(self._named, work.point), lambda: self._current().id)

    def _named(self, point: str) -> Path:
        """Returns the file of a restore point. Raises PointUnavailable."""
        return self._file(named(point, self._points()).id)


def build(settings: SqliteSettings, resolver: Resolver) -> Sqlite:
    """Raises ConfigurationError when a reference cannot be resolved."""
    database, backups = resolver.path(settings.database), resolver.path(settings.backups)
    return Sqlite(
        database,
        backups,
        resolver.surroundings.key,
        settings.tables,
        settings.pages_per_second,
        settings.counting,
        names=settings.names,
        personal=settings.personal,
    )
