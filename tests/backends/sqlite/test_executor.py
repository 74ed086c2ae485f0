"""What is special about SQLite; the rest is in the contract."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from backends.conformance.harness import (
    PATIENCE_SECONDS,
    carried_out,
    ended,
    kept,
    saving,
    strangers,
    work_for,
)
from backends.marker import FOLDER, Marker, Markers, MarkerStage, Slot
from backends.sqlite.backups import was_wal
from backends.sqlite.copying import Copy, CopyRoute
from backends.sqlite.executor import Sqlite
from backends.sqlite.reading import connect, identity, place_of, token_of, version
from backends.sqlite.saving import Saving, UndoFile
from backends.worker_key import WorkerKey
from bot.contract import (
    Blocked,
    Busy,
    Ended,
    Fate,
    PointUnavailable,
    Progress,
    StateChanged,
    Taken,
    TargetMissing,
    Work,
)
from bot.model import Change, Goal, Left, LossQuality, Unit, Verdict
from tests.backends.sqlite.world import SqliteJournalWorld, SqliteWorld, content

TEN = "20261122T100000Z"
NINE = "20261122T090000Z"
AFTER = "20261122T101500Z"  # the migration
NOW = datetime(2026, 11, 22, 10, 17, tzinfo=UTC)
SLOW = 200  # pages a second: the world has about 60


@pytest.fixture(params=[SqliteWorld, SqliteJournalWorld], ids=["wal", "journal"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteWorld]:
    world = request.param.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def executor(world: SqliteWorld) -> Sqlite:
    return world.executor()


@pytest.fixture
def slow(world: SqliteWorld) -> Sqlite:
    return Sqlite(world.database, world.backups, world.key, pages_per_second=SLOW)


async def _work(executor: Sqlite, point: str = TEN) -> Work:
    return work_for(await executor.plan(Goal(point=point), NOW))


def figures(table: str, new: int = 0, changed: int = 0, returns: int = 0) -> tuple[Unit, ...]:
    return (
        Unit(table, new, Change.NEW),
        Unit(table, changed, Change.CHANGED),
        Unit(table, returns, Change.RETURNS),
    )


def _run(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# What SQLite promises, and we rely on


@pytest.mark.parametrize("journal_of_backup", ["wal", "delete"])
def test_the_backup_api_raises_the_schema_version_by_exactly_one(
    world: SqliteWorld, journal_of_backup: str
) -> None:
    backup = world.backups / f"{TEN}.db"
    _run(backup, f"PRAGMA journal_mode = {journal_of_backup}")
    before = world.version()
    with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(world.database)) as live:
        source.backup(live, pages=7)
    assert world.version() == before + 1
    assert content(world.database) == content(backup)


def test_traffic_and_statistics_are_no_change_of_identity_and_a_migration_is(world: SqliteWorld) -> None:
    with closing(connect(world.database)) as live:
        before = identity(live), version(live)
        world.sell(3)
        assert (identity(live), version(live)) == before
        _run(world.database, "ANALYZE")
        assert identity(live) == before[0]
        _run(world.database, "CREATE INDEX by_total ON orders (total)")
        assert identity(live) != before[0]


# Points


async def test_only_whole_backups_are_offered(world: SqliteWorld, executor: Sqlite) -> None:
    backups = world.backups
    (backups / "20261122T110000Z.db").write_bytes(b"half of a dow")
    (backups / "20261199T110000Z.db").write_bytes((backups / f"{TEN}.db").read_bytes())
    (backups / "20261122T120000Z.db").write_bytes((backups / f"{TEN}.db").read_bytes())
    (backups / "20261122T120000Z.db-wal").write_bytes(b"the rest is here")
    (backups / "20261122T130000Z.db").symlink_to(world.database)
    (backups / "notes.db").write_bytes((backups / f"{TEN}.db").read_bytes())
    (backups / "20261122T140000Z.db").mkdir()
    listed = await executor.points()
    points = listed.points
    assert [point.id for point in points] == [TEN, NINE, "20261122T080000Z"]
    assert len(listed.left_out) == 5  # two files share a reason
    assert points[0].at == datetime(2026, 11, 22, 10, tzinfo=UTC)


async def test_a_damaged_backup_is_refused_and_others_are_named(world: SqliteWorld, executor: Sqlite) -> None:
    with open(world.backups / f"{TEN}.db", "r+b") as backup:
        backup.seek(4096)
        backup.write(b"\x07" * 40_000)
    with pytest.raises(PointUnavailable, match=f"damaged.*`{NINE}`"):
        await executor.plan(Goal(point=TEN), NOW)


async def test_a_database_that_is_not_there_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(TargetMissing):
        await Sqlite(tmp_path / "orders.db", tmp_path, WorkerKey.fresh()).points()
    assert list(tmp_path.iterdir()) == []


async def test_reading_leaves_nothing_beside_the_backups(world: SqliteWorld, executor: Sqlite) -> None:
    before = set(world.backups.rglob("*"))
    await executor.plan(Goal(point=TEN), NOW)
    assert set(world.backups.rglob("*")) - {world.backups / FOLDER} == before


# Plans


async def test_the_loss_is_counted_in_rows_of_the_declared_tables(world: SqliteWorld) -> None:
    world.back_up(AFTER)
    world.sell(5)
    _run(world.database, "INSERT INTO refunds VALUES ('R1', 5)")
    executor = Sqlite(world.database, world.backups, world.key, ("orders", "refunds"))
    loss = (await executor.plan(Goal(point=AFTER), NOW)).loss
    assert (loss.quality, loss.window(NOW)) == (LossQuality.MEASURED, timedelta(minutes=2).total_seconds())
    assert loss.units == (*figures("orders", 5), *figures("refunds", 1))


async def test_without_declared_tables_every_table_is_counted(world: SqliteWorld) -> None:
    _run(world.database, "CREATE TABLE audit (line)", "INSERT INTO audit VALUES ('a'), ('b')")
    executor = Sqlite(world.database, world.backups, world.key)
    loss = (await executor.plan(Goal(point=TEN), NOW)).loss
    assert loss.units == (*figures("audit", 2), *figures("orders", 7, 41), *figures("refunds"))


async def test_a_declared_table_that_does_not_exist_makes_the_loss_unknown(world: SqliteWorld) -> None:
    loss = await Sqlite(world.database, world.backups, world.key, ("orders", "odrers")).measure(
        (await world.executor().points()).points[0], NOW
    )
    assert loss.quality is LossQuality.UNKNOWN
    assert "no table odrers" in loss.basis


async def test_the_change_of_the_schema_is_shown(world: SqliteWorld, executor: Sqlite) -> None:
    _run(world.database, "CREATE TABLE audit (line)", "DROP TABLE refunds")
    diff = (await executor.plan(Goal(point=TEN), NOW)).diff
    assert diff.splitlines() == [
        "table audit goes",
        "table refunds comes back",
        "table orders gets its earlier definition",
    ]


async def test_what_else_is_set_back_is_shown(world: SqliteWorld, executor: Sqlite) -> None:
    _run(
        world.database,
        "PRAGMA user_version = 7",
        "CREATE TABLE bills (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO bills VALUES (40)",
    )
    world.back_up(AFTER)
    _run(world.database, "PRAGMA user_version = 8", "INSERT INTO bills VALUES (90)")
    diff = (await executor.plan(Goal(point=AFTER), NOW)).diff
    assert diff.splitlines() == ["user_version 8 becomes 7", "the last key given in bills, 90, becomes 40"]


async def test_an_index_that_only_the_application_can_read_is_a_warning_and_no_damage(
    world: SqliteWorld, executor: Sqlite
) -> None:
    assert world.app is not None
    world.app.create_collation("icu", lambda a, b: (a > b) - (a < b))
    world.app.execute("CREATE TABLE people (name TEXT COLLATE icu PRIMARY KEY, age)")
    world.app.execute("INSERT INTO people VALUES ('Zoe', 7)")
    world.back_up(AFTER)
    world.sell(2)
    way = await executor.plan(Goal(point=AFTER), NOW)
    assert any("not checked completely" in warning and "icu" in warning for warning in way.warnings)
    assert way.loss.units[:3] == figures("orders", 2)
    work = work_for(way)
    assert await kept(executor, work) is not None
    await carried_out(executor, work)
    verdicts = {finding.name: finding.verdict for finding in await executor.verify(work)}
    assert verdicts["integrity"] is Verdict.INCONCLUSIVE
    assert verdicts["restored database"] is Verdict.PASSED


async def test_another_text_encoding_leaves_the_loss_unknown_and_the_plan_stands(
    world: SqliteWorld, executor: Sqlite
) -> None:
    with closing(sqlite3.connect(world.backups / f"{AFTER}.db")) as backup:
        backup.execute("PRAGMA encoding = 'UTF-16le'")
        backup.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    way = await executor.plan(Goal(point=AFTER), NOW)
    assert way.loss.quality is LossQuality.UNKNOWN
    assert "encoding" in way.loss.basis
    assert "encoding UTF-8 becomes UTF-16le" in way.diff


async def test_a_table_that_cannot_be_compared_makes_the_loss_unknown_and_the_others_stay(
    world: SqliteWorld, executor: Sqlite
) -> None:
    _run(world.database, "CREATE VIRTUAL TABLE words USING fts5 (w, content = '')")
    _run(world.database, "INSERT INTO words VALUES ('tea')")
    world.back_up(AFTER)
    loss = (await executor.plan(Goal(point=AFTER), NOW)).loss
    assert loss.quality is LossQuality.UNKNOWN
    assert loss.basis == "words: an index without content gives no row back"
    assert loss.units == (*figures("orders"), *figures("refunds"))


async def test_the_live_file_is_left_out_of_its_backups_and_named(
    world: SqliteWorld, executor: Sqlite
) -> None:
    os.link(world.database, world.backups / f"{AFTER}.db")
    listed = await executor.points()
    assert AFTER not in {point.id for point in listed.points}
    assert f"`{AFTER}.db` is the live database itself." in listed.left_out


async def test_a_second_name_of_the_live_file_is_no_backup(world: SqliteWorld, executor: Sqlite) -> None:
    os.link(world.database, world.backups / f"{AFTER}.db")
    with pytest.raises(PointUnavailable, match="live file itself"):
        await executor.plan(Goal(point=AFTER), NOW)


async def test_names_of_tables_are_quoted(world: SqliteWorld) -> None:
    name = 'x"; DROP TABLE orders; --'
    _run(world.database, f'CREATE TABLE "{name.replace(chr(34), chr(34) * 2)}" (id INTEGER PRIMARY KEY)')
    loss = (await Sqlite(world.database, world.backups, world.key, (name,)).plan(Goal(point=TEN), NOW)).loss
    assert loss.units[:3] == figures(name)


async def test_no_room_for_the_undo_point_is_a_blocker(world: SqliteWorld, executor: Sqlite) -> None:
    os.truncate(world.database, 8 * 1024**4)  # a hole: it takes no room itself
    way = await executor.plan(Goal(point=TEN), NOW)
    assert any("disk" in blocker for blocker in way.blockers)


async def test_pages_of_another_size_are_a_blocker_only_with_a_wal(
    world: SqliteWorld, executor: Sqlite
) -> None:
    _run(world.backups / f"{TEN}.db", "PRAGMA page_size = 8192", "VACUUM")
    blockers = (await executor.plan(Goal(point=TEN), NOW)).blockers
    assert bool(blockers) is (world.journal == "wal")


async def test_a_change_of_the_journal_mode_is_a_warning(world: SqliteWorld, executor: Sqlite) -> None:
    _run(world.backups / f"{TEN}.db", "PRAGMA journal_mode = wal")
    warnings = (await executor.plan(Goal(point=TEN), NOW)).warnings
    assert bool(warnings) is (world.journal == "delete")


async def test_a_throttled_copy_says_how_long_it_takes(world: SqliteWorld, slow: Sqlite) -> None:
    downtime = (await slow.plan(Goal(point=TEN), NOW)).downtime
    assert downtime is not None
    assert downtime == pytest.approx((world.backups / f"{TEN}.db").stat().st_size / 4096 / SLOW)


# The copy


async def _begun(slow: Sqlite) -> Work:
    work = await _work(slow)
    handle = await slow.start(work)
    assert isinstance(handle, dict)
    return replace(work, handle=handle)


async def test_progress_is_counted_in_pages(slow: Sqlite) -> None:
    work = await _begun(slow)
    progress = await slow.poll(work)
    assert isinstance(progress, Progress)
    assert progress.unit == "pages"
    assert progress.total is not None
    assert 0 <= (progress.done or 0) < progress.total
    assert await ended(slow, work) == Ended(True, Left.POINT, f"{TEN} is live.")


async def test_others_see_the_restore_as_a_whole_or_not_at_all(world: SqliteWorld, slow: Sqlite) -> None:
    either = {content(world.database), world.holds(TEN)}
    work = await _begun(slow)
    seen = set()
    while isinstance(await slow.poll(work), Progress):
        try:
            seen.add(await asyncio.to_thread(_content_now, world.database))
        except sqlite3.OperationalError:  # with a rollback journal readers are kept out
            await asyncio.sleep(0.01)
    assert seen <= either
    assert content(world.database) == world.holds(TEN)


def _content_now(database: Path) -> str:
    return content(database)


async def test_while_it_goes_on_it_is_in_flight_for_everybody_else(world: SqliteWorld, slow: Sqlite) -> None:
    work = await _begun(slow)
    other = world.executor()
    assert (await other.find(work)).fate is Fate.IN_FLIGHT
    assert await other.start(work) is Taken.TAKEN
    assert await other.cancel(work) is None
    assert (await ended(other, work)).ok
    assert world.effects() == 1


async def test_a_cancelled_copy_leaves_everything_as_it_was(world: SqliteWorld, slow: Sqlite) -> None:
    before = world.live()
    work = await _begun(slow)
    assert await slow.cancel(work) is Left.BEFORE
    end = await slow.poll(work)
    assert isinstance(end, Ended)
    assert (end.ok, end.left) == (False, Left.BEFORE)
    assert (await slow.find(work)).fate is Fate.FAILED
    assert (world.live(), world.effects()) == (before, 0)


async def test_who_stops_waiting_for_a_copy_does_not_disturb_it(world: SqliteWorld, executor: Sqlite) -> None:
    work = await _work(executor)
    copy = _copy(world, TEN, work.expected)
    with closing(sqlite3.connect(world.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        copy.start()
        asyncio.wrap_future(copy.begun).cancel()
        writer.execute("ROLLBACK")
    assert await asyncio.to_thread(copy.ended.wait, PATIENCE_SECONDS)
    assert (await executor.find(work)).fate is Fate.DONE
    assert (content(world.database), world.effects()) == (world.holds(TEN), 1)


async def test_a_database_that_somebody_keeps_locked_is_busy_and_nothing_is_taken(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = replace(await _work(executor), timeout=0.2)
    before = world.live()
    with closing(sqlite3.connect(world.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy):
            await executor.start(work)
        writer.execute("ROLLBACK")
    assert (world.live(), world.effects()) == (before, 0)
    assert (await executor.find(work)).fate is Fate.ABSENT
    assert await carried_out(executor, work) is not Taken.TAKEN


def test_the_identity_is_compared_when_nobody_else_can_write_any_more(world: SqliteWorld) -> None:
    """The plan's state was there a moment ago, and somebody migrates before we hold the database."""
    before = world.live()
    copy = _copy(world, TEN, token_of("the schema of a moment ago", place_of(world.database)))
    copy.start()
    with pytest.raises(StateChanged):
        copy.begun.result(PATIENCE_SECONDS)
    assert copy.ended.wait(PATIENCE_SECONDS)
    assert (world.live(), world.effects()) == (before, 0)


def test_a_backup_without_tables_is_refused(world: SqliteWorld) -> None:
    _run(world.backups / "20261122T110000Z.db", "CREATE TABLE gone (x)", "DROP TABLE gone", "VACUUM")
    with closing(connect(world.database)) as live:
        copy = _copy(world, "20261122T110000Z", identity(live))
    copy.start()
    with pytest.raises(Blocked, match="no tables"):
        copy.begun.result(PATIENCE_SECONDS)
    assert copy.ended.wait(PATIENCE_SECONDS)


def _copy(world: SqliteWorld, point: str, expected: str) -> Copy:
    slot = Markers(world.backups, world.key).take("k7f3a91c.RB-42.3")
    assert slot is not None
    route = CopyRoute(world.backups / f"{point}.db", "", world.database, None, wait=PATIENCE_SECONDS)
    return Copy(route, Marker("d" * 64, point, expected, MarkerStage.TAKEN), slot)


async def test_killed_in_the_middle_of_writing_it_is_absent_and_nothing_is_lost(
    world: SqliteWorld, executor: Sqlite
) -> None:
    """Large enough that pages reach the disk before the end."""
    world.sell(20_000)
    world.back_up("20261122T101500Z")
    world.sell(5)
    work, before = await _work(executor, "20261122T101500Z"), world.live()
    async with strangers(ClosingWorld(world.root), world.root, work) as (victim,):
        victim.go()
        assert await victim.code() == -signal.SIGKILL
    suffix = {"wal": "-wal", "delete": "-journal"}[world.journal]
    assert (world.root / f"orders.db{suffix}").stat().st_size > 1_000_000
    assert (await executor.find(work)).fate is Fate.ABSENT
    assert (world.live(), world.effects()) == (before, 0)
    await carried_out(executor, work)
    assert (content(world.database), world.effects()) == (world.holds(work.point), 1)


class ClosingWorld(SqliteWorld):
    """Its executor is killed when it has said that the change comes next."""

    def executor(self, dies: object = None) -> Sqlite:
        executor = super().executor()
        executor._markers = ClosingMarkers(self.backups, self.key)
        return executor


class ClosingMarkers(Markers):
    def take(self, op_id: str) -> Slot | None:
        slot = super().take(op_id)
        return slot and ClosingSlot(slot._lock, slot._path, slot._key)


class ClosingSlot(Slot):
    def write(self, marker: Marker) -> None:
        super().write(marker)
        if marker.stage is MarkerStage.CLOSING:
            os.kill(os.getpid(), signal.SIGKILL)


# The undo point


async def test_an_undo_point_of_an_earlier_run_with_the_same_number_stays(
    world: SqliteWorld, executor: Sqlite
) -> None:
    (world.backups / "pre-RB-42.db").write_bytes((world.backups / f"{NINE}.db").read_bytes())
    before = world.live()
    saved = await kept(executor, await _work(executor))
    assert saved is not None
    assert saved.id == "pre-k7f3a91c.RB-42.2"
    assert (world.holds(saved.id), world.holds("pre-RB-42")) == (before, world.holds(NINE))


async def test_an_undo_point_that_was_saved_but_not_recorded_is_found_again(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _work(executor)
    saved = await kept(executor, work)
    slot = Markers(world.backups, world.key).take(saving(work).op_id)
    assert slot is not None
    with slot:
        marker = slot.read()
        assert marker is not None
        slot.write(replace(marker, stage=MarkerStage.CLOSING))
    world.sell(1)
    assert await kept(executor, work) == saved
    assert (await executor.find(saving(work))).fate is Fate.DONE


async def test_an_undo_point_whose_saving_was_killed_is_absent_and_saved_anew(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _work(executor)
    op = saving(work).op_id
    slot = Markers(world.backups, world.key).take(op)
    assert slot is not None
    with slot:
        slot.write(
            Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN, {"saves": "pre-RB-42.db"})
        )
    (world.backups / ".rollback" / f"{op}.db").write_bytes(b"half a copy")
    assert (await executor.find(saving(work))).fate is Fate.ABSENT
    before = world.live()
    saved = await kept(executor, work)
    assert saved is not None
    assert world.holds(saved.id) == before


@pytest.mark.parametrize("planted", ["pre-RB-42.db", "pre-k7f3a91c.RB-42.2.db"])
async def test_a_file_that_was_planted_under_its_name_is_no_undo_point(
    world: SqliteWorld, executor: Sqlite, planted: str
) -> None:
    work = await _work(executor)
    before = world.live()
    (world.backups / planted).write_bytes((world.backups / f"{NINE}.db").read_bytes())
    saved = await kept(executor, work)
    assert saved is not None
    assert f"{saved.id}.db" != planted
    assert world.holds(saved.id) == before


async def test_an_undo_point_is_named_with_its_content(world: SqliteWorld, executor: Sqlite) -> None:
    saved = await kept(executor, await _work(executor))
    assert saved is not None
    assert saved.fingerprint == sha256((world.backups / f"{saved.id}.db").read_bytes()).hexdigest()


async def test_what_is_put_in_the_place_of_an_undo_point_before_it_is_recorded_is_not_believed(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _work(executor)
    saved = await kept(executor, work)
    assert saved is not None
    (world.backups / f"{saved.id}.db").write_bytes((world.backups / f"{NINE}.db").read_bytes())
    found = await executor.find(saving(work))
    assert (found.fate, found.left) == (Fate.FAILED, Left.BEFORE)


async def test_an_undo_point_that_was_replaced_before_the_restore_is_saved_anew(
    world: SqliteWorld, executor: Sqlite
) -> None:
    before = world.live()
    work = await _saved_before(executor)
    (world.backups / f"{work.undo}.db").write_bytes((world.backups / f"{NINE}.db").read_bytes())
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    assert end.made is not None
    assert world.holds(end.made.id) == before


async def test_what_an_earlier_version_has_saved_to_the_end_is_found(
    world: SqliteWorld, executor: Sqlite
) -> None:
    """It noted no content, and began under the same name again where it had not come to the end."""
    work = await _work(executor)
    (world.backups / "pre-RB-42.db").write_bytes((world.backups / f"{NINE}.db").read_bytes())
    for stage, fate in ((MarkerStage.TAKEN, Fate.ABSENT), (MarkerStage.DONE, Fate.DONE)):
        slot = Markers(world.backups, world.key).take(saving(work).op_id)
        assert slot is not None
        with slot:
            slot.write(Marker(work.digest, work.point, work.expected, stage, {"saves": "pre-RB-42.db"}))
        assert (await executor.find(saving(work))).fate is fate


async def test_an_undo_point_stands_alone(world: SqliteWorld, executor: Sqlite) -> None:
    await kept(executor, await _work(executor))
    assert [path.name for path in world.backups.glob("pre-*")] == ["pre-RB-42.db"]
    assert [path.name for path in (world.backups / ".rollback").glob("*.db*")] == []
    assert not was_wal(world.backups / "pre-RB-42.db")


def test_saving_never_replaces_a_file_that_somebody_else_has_put_there(world: SqliteWorld) -> None:
    other = world.backups / "pre-RB-42.db"
    other.write_text("somebody else's")
    save = _saving(world, other)
    save.start()
    assert save.ended.wait(PATIENCE_SECONDS)
    assert isinstance(save.error, Blocked)
    assert other.read_text() == "somebody else's"


def _saving(world: SqliteWorld, path: Path) -> Saving:
    slot = Markers(world.backups, world.key).take("k7f3a91c.RB-42.2")
    assert slot is not None
    with closing(connect(world.database)) as live:
        taken = Marker("d" * 64, TEN, identity(live), MarkerStage.TAKEN, {"saves": path.name})
    undo = UndoFile(path, world.backups / "unfinished")
    return Saving(world.database, undo, PATIENCE_SECONDS, taken, slot)


async def _saved_before(executor: Sqlite) -> Work:
    """The restore that comes after its undo point."""
    work = await _work(executor)
    saved = await kept(executor, work)
    assert saved is not None
    return replace(work, undo=saved.id, undo_content=saved.fingerprint)


async def test_what_is_written_after_the_undo_point_is_in_it_once_it_is_restored(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _saved_before(executor)
    world.sell(3)
    before = content(world.database)
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    assert end.words == f"{TEN} is live. Its undo point was saved anew, with what was written since."
    assert world.holds(str(work.undo)) == before


async def test_an_undo_point_after_which_nobody_wrote_is_not_saved_anew(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _saved_before(executor)
    stamp = (world.backups / f"{work.undo}.db").stat().st_ino
    await carried_out(executor, work)
    assert (world.backups / f"{work.undo}.db").stat().st_ino == stamp


async def test_who_has_not_saved_the_undo_point_itself_saves_it_anew(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _saved_before(executor)
    world.sell(1)
    before = content(world.database)
    await carried_out(world.executor(), work)
    assert world.holds(str(work.undo)) == before


async def test_a_saving_that_is_stopped_leaves_no_file(world: SqliteWorld) -> None:
    world.sell(20_000)
    path = world.backups / "pre-RB-42.db"
    save = _saving(world, path)
    save.stop()
    save.start()
    assert await asyncio.to_thread(save.ended.wait, PATIENCE_SECONDS)
    assert "the database is as it was" in str(save.error)
    assert not path.exists()


async def test_an_undo_point_can_be_read_by_whoever_may_read_the_database(
    world: SqliteWorld, executor: Sqlite
) -> None:
    world.database.chmod(0o640)
    saved = await kept(executor, await _work(executor))
    assert saved is not None
    of, copy = world.database.stat(), (world.backups / f"{saved.id}.db").stat()
    assert (copy.st_mode, copy.st_uid, copy.st_gid) == (of.st_mode, of.st_uid, of.st_gid)


# Verification


async def test_rows_added_by_traffic_since_do_not_fail_the_verification(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    world.sell(2)
    findings = {finding.name: finding for finding in await executor.verify(work)}
    assert findings["rows of orders"].verdict is Verdict.PASSED
    assert "2 were added since" in findings["rows of orders"].words


async def test_rows_that_are_not_as_in_the_backup_are_inconclusive(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    _run(world.database, "UPDATE orders SET total = 0 WHERE id = 1", "DELETE FROM orders WHERE id = 2")
    findings = {finding.name: finding for finding in await executor.verify(work)}
    assert findings["rows of orders"].verdict is Verdict.INCONCLUSIVE
    assert findings["rows of orders"].value == 2


async def test_a_damaged_file_fails_the_verification(world: SqliteWorld, executor: Sqlite) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    world.close()
    with open(world.database, "r+b") as live:
        live.seek(4096 * 3)
        live.write(b"\x07" * 40_000)
    findings = {finding.name: finding for finding in await executor.verify(work)}
    assert findings["integrity"].verdict is Verdict.FAILED


async def test_a_backup_that_is_gone_leaves_the_rows_inconclusive(
    world: SqliteWorld, executor: Sqlite
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    world.loses(TEN)
    verdicts = {finding.name: finding.verdict for finding in await executor.verify(work)}
    assert verdicts == {
        "integrity": Verdict.PASSED,
        "restored database": Verdict.PASSED,
        "rows": Verdict.INCONCLUSIVE,
    }


# People


@pytest.fixture
def personal(world: SqliteWorld) -> Sqlite:
    return Sqlite(world.database, world.backups, world.key, personal=("Orders", "customrs"))


async def test_rows_about_people_are_marked_in_each_figure(world: SqliteWorld, personal: Sqlite) -> None:
    _run(world.database, "DELETE FROM orders WHERE id = 3")
    units = (await personal.plan(Goal(point=TEN), NOW)).loss.units
    assert [(unit.name, unit.count) for unit in units if unit.personal] == [
        ("orders", 7),
        ("orders", 40),
        ("orders", 1),
    ]
    assert {unit.name for unit in units if not unit.personal} == {"refunds"}


async def test_a_personal_table_that_does_not_exist_is_warned_of(personal: Sqlite) -> None:
    warned = (await personal.plan(Goal(point=TEN), NOW)).warnings
    assert warned[0] == "No table customrs, which the settings call personal: correct its name"


async def test_where_people_could_not_be_counted_it_is_not_known_whether_they_return(
    world: SqliteWorld,
) -> None:
    late = Sqlite(world.database, world.backups, world.key, counting=0.0, personal=("orders",))
    warned = (await late.plan(Goal(point=TEN), NOW)).warnings
    assert warned[0] == "NOT KNOWN whether deleted orders return and have to be erased again"
