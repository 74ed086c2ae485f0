"""What stands against a restore is said before anybody agrees; what only the application has is no damage."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out, kept, work_for
from backends.sqlite.executor import Sqlite
from bot.contract import Denied, Ended, PointUnavailable
from bot.model import Goal, LossQuality, UndoMode, Verdict, Way
from tests.backends.sqlite.world import SqliteJournalWorld, SqliteWorld, content

TEN = "20261122T100000Z"
AFTER = "20261122T101500Z"
NOW = datetime(2026, 11, 22, 10, 17, tzinfo=UTC)
NOBODY = 65534


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SqliteWorld]:
    world = SqliteWorld.make(tmp_path / "shop")
    yield world
    world.close()


async def _way(world: SqliteWorld, point: str = TEN, tables: tuple[str, ...] = ()) -> Way:
    return await Sqlite(world.database, world.backups, world.key, tables).plan(Goal(point=point), NOW)


def _other(world: SqliteWorld, *statements: str) -> None:
    """A backup that has nothing to do with the database."""
    with closing(sqlite3.connect(world.backups / f"{AFTER}.db", isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)


# The backup


async def test_a_backup_without_tables_is_a_blocker(world: SqliteWorld) -> None:
    _other(world, "CREATE TABLE gone (x)", "DROP TABLE gone")
    assert "The backup holds no tables." in (await _way(world, AFTER)).blockers


async def test_a_backup_with_none_of_the_tables_of_the_settings_is_a_blocker(world: SqliteWorld) -> None:
    _other(world, "PRAGMA journal_mode = DELETE", "CREATE TABLE notes (x)")
    assert (await _way(world, AFTER)).blockers == ()
    assert (await _way(world, AFTER, ("orders", "refunds"))).blockers == (
        "The backup holds none of the tables orders, refunds: is it one of this database?",
    )
    assert (await _way(world, AFTER, ("orders", "NOTES"))).blockers == ()


async def test_a_backup_of_another_application_is_a_warning(world: SqliteWorld) -> None:
    assert world.app is not None
    world.app.execute("PRAGMA application_id = 8")
    _other(world, "PRAGMA application_id = 7", "CREATE TABLE orders (x)")
    warnings = (await _way(world, AFTER)).warnings
    assert warnings == ("The backup is of another application: its id is 7, that of the database 8.",)


async def test_a_backup_that_is_no_database_behind_its_first_bytes_is_told_from_a_damaged_one(
    world: SqliteWorld,
) -> None:
    with open(world.backups / f"{TEN}.db", "r+b") as backup:
        backup.seek(16)
        backup.write(b"\xff" * 84)
    with pytest.raises(PointUnavailable, match="was overwritten, or is encrypted, or was never one"):
        await _way(world)


# The disk and the rights


async def test_without_room_the_figures_are_said(world: SqliteWorld) -> None:
    os.truncate(world.database, 8 * 1024**4)  # a hole: it takes no room itself
    files = [*world.root.glob("orders.db*"), world.backups / f"{TEN}.db"]
    needed = sum(path.stat().st_size for path in files)
    (blocker,) = (await _way(world)).blockers
    assert blocker.startswith(f"The disk of {world.backups} has ")
    assert f"{needed:,} are needed for the undo point and the restore" in blocker


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write everywhere; as anybody else these tests are what they seem."""
    if os.geteuid() != 0:
        yield
        return
    datetime.strptime("2026", "%Y").astimezone(UTC)  # it imports at its first use, and nobody may read there
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def theirs() -> Iterator[SqliteWorld]:
    """A shop that the bot may only read, in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    world = SqliteJournalWorld.make(folder / "shop")
    world.close()
    yield world
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("what", ["folder of the database", "folder of the backups", "database"])
async def test_without_the_right_to_write_the_plan_is_refused_and_says_where(
    theirs: SqliteWorld, what: str
) -> None:
    places = {
        "folder of the database": theirs.root,
        "folder of the backups": theirs.backups,
        "database": theirs.database,
    }
    for place in places.values():
        place.chmod(0o777)
    places[what].chmod(0o555)
    executor = theirs.executor()
    with _as_nobody(), pytest.raises(Denied, match=f"may not write the {what}, {places[what]}:"):
        await executor.plan(Goal(point=TEN), NOW)


# What only the application has


def _by_letters(one: str, other: str) -> int:
    return (one > other) - (one < other)


FOREIGN = {
    "a key of a collation": (["CREATE TABLE t (k TEXT COLLATE icu PRIMARY KEY, v)"], "the collation icu"),
    "a table of a collation": (
        ["CREATE TABLE t (k TEXT COLLATE icu PRIMARY KEY, v) WITHOUT ROWID"],
        "the collation icu",
    ),
    "an index of a collation": (
        ["CREATE TABLE t (k TEXT COLLATE icu, v)", "CREATE INDEX i ON t (k)"],
        "the collation icu",
    ),
    "an index of a function": (["CREATE TABLE t (k, v)", "CREATE INDEX i ON t (own(k))"], ""),
    "a check of a function": (["CREATE TABLE t (k, v CHECK (own(v) IS NOT 3))"], "the function own()"),
}


def _with(world: SqliteWorld, statements: Sequence[str]) -> None:
    assert world.app is not None
    world.app.create_collation("icu", _by_letters)
    world.app.create_function("own", 1, lambda value: value, deterministic=True)
    for statement in (*statements, "INSERT INTO t (k, v) VALUES ('Zoe', 7), ('Ada', 8)"):
        world.app.execute(statement)
    world.back_up(AFTER)
    world.app.execute("INSERT INTO t (k, v) VALUES ('Eve', 9)")


@pytest.mark.parametrize("kind", FOREIGN)
async def test_what_only_the_application_has_is_no_damage_and_it_is_counted_saved_and_restored(
    world: SqliteWorld, kind: str
) -> None:
    statements, needs = FOREIGN[kind]
    _with(world, statements)
    executor = world.executor()
    way = await executor.plan(Goal(point=AFTER), NOW)
    assert not any("not whole" in words or "damaged" in words for words in way.warnings)
    assert any(
        f"`t` needs {needs}, which only the application has" in words for words in way.warnings
    ) is bool(needs)
    assert (way.loss.quality, way.undo) == (LossQuality.MEASURED, UndoMode.EXACT)
    assert [unit.count for unit in way.loss.units if unit.name == "t"] == [1, 0, 0]
    there = _rows(world.backups / f"{AFTER}.db")
    work = work_for(way)
    assert await kept(executor, work) is not None
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    assert end.ok
    assert _rows(world.database) == there
    verdicts = {finding.name: finding.verdict for finding in await executor.verify(work)}
    assert verdicts.pop("integrity") is Verdict.INCONCLUSIVE
    assert set(verdicts.values()) == {Verdict.PASSED}


def _rows(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.create_collation("icu", _by_letters)
        return connection.execute("SELECT k, v FROM t ORDER BY v").fetchall()


async def test_without_its_collation_a_table_is_compared_by_bytes_and_the_plan_says_so(
    world: SqliteWorld,
) -> None:
    _with(world, FOREIGN["a key of a collation"][0])
    warnings = (await _way(world, AFTER)).warnings
    assert "`t` was compared by its bytes: only the application has the collation icu." in warnings


async def test_a_damage_is_found_beside_a_table_that_only_the_application_can_check(
    world: SqliteWorld,
) -> None:
    """Checking all at once ends at the first table that needs something."""
    _with(world, FOREIGN["a key of a collation"][0])
    world.close()
    with closing(sqlite3.connect(world.database)) as live:
        (page,) = live.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'orders'").fetchone()
    with open(world.database, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x07" * 4096)
    assert any("not whole" in words for words in (await _way(world, AFTER)).warnings)


async def test_a_module_that_only_the_application_has_leaves_its_table_unknown_and_no_other(
    world: SqliteWorld,
) -> None:
    assert world.app is not None
    for statement in (
        "CREATE VIRTUAL TABLE vectors USING fts5 (v)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE vectors USING vec0 (v)' WHERE name = 'vectors'",
        "PRAGMA writable_schema = OFF",
    ):
        world.app.execute(statement)
    world.back_up(AFTER)
    world.sell(3)
    executor = world.executor()
    way = await executor.plan(Goal(point=AFTER), NOW)
    assert way.loss.quality is LossQuality.UNKNOWN
    assert way.loss.basis == "vectors: no such module: vec0: only the application has it"
    assert [unit.count for unit in way.loss.units if unit.name == "orders"] == [3, 0, 0]
    assert not any("damaged" in words or "not whole" in words for words in way.warnings)
    end = await carried_out(executor, work_for(way))
    assert isinstance(end, Ended)
    assert end.ok


# Another text encoding


async def test_a_backup_of_another_text_encoding_is_copied_and_the_plan_says_what_that_means(
    world: SqliteWorld,
) -> None:
    _other(
        world,
        "PRAGMA encoding = 'UTF-16le'",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)",
        "INSERT INTO orders VALUES (1, 'käse')",
    )
    there = world.holds(AFTER)
    executor = world.executor()
    way = await executor.plan(Goal(point=AFTER), NOW)
    assert (way.blockers, way.loss.quality, way.loss.units) == ((), LossQuality.UNKNOWN, ())
    assert way.loss.basis == (
        "rows: The text encoding is UTF-8, that of the backup UTF-16le: SQLite compares no two."
    )
    assert any(words.startswith("The texts become UTF-16le") for words in way.warnings)
    work, before = work_for(way), world.live()
    saved = await kept(executor, work)
    assert saved is not None
    await carried_out(executor, work)
    world.close()
    assert content(world.database) == there
    assert {finding.verdict for finding in await executor.verify(work)} == {Verdict.PASSED}
    await carried_out(executor, work_for(await executor.plan(Goal(point=saved.id), NOW), run="RB-43"))
    assert world.live() == before
