"""What a run has removed, row by row: from two files that stand still, and nothing else."""

import os
import random
import sqlite3
import threading
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from backends.sqlite.executor import Sqlite
from backends.sqlite.listing import BYTES_AT_ONCE, ROWS_AT_ONCE
from backends.worker_key import WorkerKey
from bot.contract import (
    Blocked,
    BrokenText,
    Denied,
    Removal,
    RowListed,
    StateChanged,
    TableListed,
    TableNotListed,
    UnknownPoint,
    Unsupported,
)
from bot.model import Change

UNDO, POINT = "pre-RB-1", "20261122T100000Z"
MIB = 1 << 20


class Files:
    """The two files that a restore leaves: `undo`, what was live before it, and `point`, what it restored."""

    def __init__(self, folder: Path) -> None:
        self.undo, self.point = folder / f"{UNDO}.db", folder / f"{POINT}.db"
        self.live = folder.parent / "live.db"
        self._backups = folder
        self._key = WorkerKey.at(folder.with_name("key"))

    def make(self, *statements: str, then: tuple[str, ...] = ()) -> None:
        """`statements` make the restore point; `then` happens before the restore."""
        run(self.point, *statements)
        self.undo.write_bytes(self.point.read_bytes())
        run(self.undo, *then)

    def executor(self, *personal: str) -> Sqlite:
        return Sqlite(self.live, self._backups, self._key, personal=personal)

    @property
    def removal(self) -> Removal:
        return Removal(UNDO, digest(self.undo), POINT, digest(self.point))

    async def tables(self, *personal: str) -> dict[str, TableListed | TableNotListed]:
        found = await self.executor(*personal).list_removed(self.removal)
        return {one.table: one for one in found}

    async def rows(self, table: str = "t") -> list[RowListed]:
        return [row async for row in self.stream(table)]

    async def stream(self, table: str) -> AsyncGenerator[RowListed, None]:
        async with aclosing(self.executor().rows_removed(self.removal, table)) as batches:
            async for batch in batches:
                for row in batch:
                    yield row


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "backups").mkdir()
    return Files(tmp_path / "backups")


def run(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.create_function("own", 1, lambda value: value, deterministic=True)
        connection.create_collation("icu", by_letters)
        for statement in statements:
            connection.execute(statement)


def by_letters(one: str, other: str) -> int:
    return (one.casefold() > other.casefold()) - (one.casefold() < other.casefold())


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def new(*cells: object) -> RowListed:
    return RowListed(Change.NEW, cells, None)  # type: ignore[arg-type]


def returning(*cells: object) -> RowListed:
    return RowListed(Change.RETURNS, None, cells)  # type: ignore[arg-type]


def figures(table: TableListed | TableNotListed) -> tuple[int, int, int]:
    assert isinstance(table, TableListed), table
    return table.new, table.changed, table.returning


# Figures and rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("without_rowid", ["", "WITHOUT ROWID"])
async def test_figures_and_rows_are_those_that_plain_python_finds(files: Files, without_rowid: str) -> None:
    chance = random.Random(7)
    values = (None, "", "a", 0, 1, 1.0, b"", b"a", "ß")
    then = {key: chance.choice(values) for key in range(1, 400)}
    now = {key: chance.choice((value, chance.choice(values))) for key, value in then.items() if key % 9}
    now |= {key: chance.choice(values) for key in range(400, 450)}
    for file, rows in ((files.point, then), (files.undo, now)):
        run(file, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v) {without_rowid}")
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.executemany("INSERT INTO t VALUES (?, ?)", rows.items())
    expected = [
        *(new(key, now[key]) for key in now.keys() - then.keys()),
        *(
            RowListed(Change.CHANGED, (key, now[key]), (key, then[key]))
            for key in now.keys() & then.keys()
            if (type(now[key]), now[key]) != (type(then[key]), then[key])
        ),
        *(returning(key, then[key]) for key in then.keys() - now.keys()),
    ]
    counted = [sum(row.change is change for row in expected) for change in Change]
    assert figures((await files.tables())["t"]) == tuple(counted)
    assert sorted(await files.rows(), key=repr) == sorted(expected, key=repr)


async def test_a_key_that_another_row_has_taken_is_a_changed_row_with_both_values(files: Files) -> None:
    files.make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        "INSERT INTO t VALUES (1, 'Ada'), (2, 'Bo')",
        then=("DELETE FROM t WHERE id = 2", "INSERT INTO t (v) VALUES ('Cy')"),
    )
    assert await files.rows() == [RowListed(Change.CHANGED, (2, "Cy"), (2, "Bo"))]


async def test_values_come_as_they_are_stored(files: Files) -> None:
    """Text that is no UTF-8 comes as its bytes, and a NUL ends no text."""
    files.make(
        "CREATE TABLE t (v)",
        then=(
            "INSERT INTO t VALUES (NULL), (''), (x'00ff'), (CAST(x'61ff' AS TEXT))",
            "INSERT INTO t VALUES ('a' || char(0) || 'b'), (9e999)",
        ),
    )
    found = {row.removed for row in await files.rows()}
    assert found == {(None,), ("",), (b"\x00\xff",), (b"a\xff",), ("a\0b",), (float("inf"),)}


async def test_a_text_that_cannot_be_read_as_one_is_no_blob(files: Files) -> None:
    files.make(
        "CREATE TABLE t (v)",
        "INSERT INTO t VALUES (x'61ff'), (CAST(x'61ff' AS TEXT))",
        then=("DELETE FROM t",),
    )
    kinds = {type(row.restored[0]) for row in await files.rows() if row.restored}
    assert kinds == {bytes, BrokenText}


async def test_rows_without_a_key_come_as_often_as_they_are_left_over(files: Files) -> None:
    files.make(
        "CREATE TABLE t (v)",
        "INSERT INTO t VALUES ('a'), ('b'), ('b')",
        then=("DELETE FROM t", "INSERT INTO t VALUES ('a'), ('a'), ('a')"),
    )
    assert await files.rows() == [new("a"), new("a"), returning("b"), returning("b")]
    listed = (await files.tables())["t"]
    assert isinstance(listed, TableListed)
    assert (listed.key, figures(listed)) == ((), (2, 0, 2))


async def test_each_state_has_the_columns_that_it_had(files: Files) -> None:
    """As they are spelled, without those that are computed: these are named."""
    files.make(
        'CREATE TABLE t (Id INTEGER PRIMARY KEY, v, w AS (v || "!"))',
        "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        then=("ALTER TABLE t ADD COLUMN Gift DEFAULT 0", "UPDATE t SET Gift = 1 WHERE id = 1"),
    )
    listed = (await files.tables())["t"]
    assert isinstance(listed, TableListed)
    assert (listed.key, listed.removed, listed.restored) == (("Id",), ("Id", "v", "Gift"), ("Id", "v"))
    assert listed.computed == ("w",)
    assert await files.rows() == [RowListed(Change.CHANGED, (1, "a", 1), (1, "a"))]


async def test_a_table_that_only_one_state_has_is_listed_whole(files: Files) -> None:
    files.make(
        "CREATE TABLE old (v)",
        "INSERT INTO old VALUES (1)",
        then=("DROP TABLE old", "CREATE TABLE young (v)", "INSERT INTO young VALUES (2), (3)"),
    )
    tables = await files.tables()
    assert {name: figures(one) for name, one in tables.items()} == {"old": (0, 0, 1), "young": (2, 0, 0)}
    assert await files.rows("old") == [returning(1)]
    assert await files.rows("young") == [new(2), new(3)]


# What cannot be listed -----------------------------------------------------------------------------


async def test_a_table_that_cannot_be_compared_is_named_with_the_reason(files: Files) -> None:
    files.make(
        "CREATE VIRTUAL TABLE words USING fts5 (w, content = '')",
        "CREATE TABLE t (v, w AS (own(v)))",
        then=("INSERT INTO words (rowid, w) VALUES (1, 'one')", "INSERT INTO t VALUES (1)"),
    )
    tables = await files.tables()
    assert tables["words"] == TableNotListed("words", "an index without content gives no row back")
    assert figures(tables["t"]) == (1, 0, 0)
    with pytest.raises(Unsupported, match="`words` cannot be listed: an index without content"):
        await files.rows("words")


ICU_KEY = "CREATE TABLE t (k TEXT COLLATE icu PRIMARY KEY, v)"


@pytest.mark.parametrize("created", [ICU_KEY, f"{ICU_KEY} WITHOUT ROWID"])
async def test_a_table_of_a_collation_that_only_the_application_has_is_listed_by_its_bytes(
    files: Files, created: str
) -> None:
    files.make(
        created,
        "INSERT INTO t VALUES ('Zoe', 1), ('Ada', 2)",
        then=("UPDATE t SET v = 7 WHERE k = 'Zoe'", "INSERT INTO t VALUES ('Eve', 3)"),
    )
    listed = (await files.tables())["t"]
    assert isinstance(listed, TableListed)
    assert (listed.without, listed.key, figures(listed)) == (("icu",), (), (2, 0, 1))
    found = sorted(await files.rows(), key=repr)
    assert found == sorted([new("Zoe", 7), new("Eve", 3), returning("Zoe", 1)], key=repr)


async def test_a_damaged_table_is_not_listed_and_others_are(files: Files) -> None:
    files.make(
        "CREATE TABLE t (v)",
        "CREATE TABLE u (v)",
        "INSERT INTO t VALUES (1)",
        then=("INSERT INTO t VALUES (2)", "INSERT INTO u VALUES (3)"),
    )
    damage(files.undo, "t")
    tables = await files.tables()
    assert tables["t"] == TableNotListed("t", "it is damaged (database disk image is malformed)")
    assert figures(tables["u"]) == (1, 0, 0)
    with pytest.raises(Unsupported, match="`t` cannot be listed: it is damaged"):
        await files.rows("t")


def damage(database: Path, table: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (page,) = connection.execute(sql, (table,)).fetchone()
    with open(database, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x07" * 4096)


async def test_two_files_of_different_text_encodings_are_refused_with_the_reason(files: Files) -> None:
    run(files.point, "PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (v)")
    run(files.undo, "CREATE TABLE t (v)")
    with pytest.raises(Blocked, match="UTF-8, that of the backup UTF-16le"):
        await files.executor().list_removed(files.removal)


async def test_what_was_kept_of_a_damaged_database_is_not_listed_and_the_way_to_look_is_said(
    files: Files,
) -> None:
    files.make("CREATE TABLE t (v)")
    raw = replace(files.removal, undo="pre-RB-1.damaged.tar")
    with pytest.raises(Unsupported, match=r"`pre-RB-1\.damaged\.tar` keeps a damaged .*`tar xf`"):
        await files.executor().list_removed(raw)
    with pytest.raises(Unsupported, match="no rows of it can be listed"):
        await anext(files.executor().rows_removed(raw, "t"))


async def test_an_unknown_table_is_refused(files: Files) -> None:
    files.make("CREATE TABLE t (v)")
    with pytest.raises(Unsupported, match="There is no table `u`"):
        await files.rows("u")


@pytest.mark.parametrize("which", ["undo", "point"])
async def test_nothing_is_listed_from_a_file_that_somebody_has_put_in_its_place(
    files: Files, which: str
) -> None:
    files.make("CREATE TABLE t (v)", then=("INSERT INTO t VALUES (1)",))
    removal = files.removal
    run(getattr(files, which), "INSERT INTO t VALUES (2)")
    with pytest.raises(StateChanged, match=r"is not what was (saved|restored): .*Put that file back"):
        await files.executor().list_removed(removal)
    with pytest.raises(StateChanged):
        await anext(files.executor().rows_removed(removal, "t"))


@pytest.mark.parametrize("unknown", [{"undo_content": ""}, {"fingerprint": ""}])
async def test_nothing_is_listed_where_nobody_has_noted_what_was_saved(
    files: Files, unknown: dict[str, str]
) -> None:
    files.make("CREATE TABLE t (v)")
    with pytest.raises(StateChanged, match="Nobody has noted what"):
        await files.executor().list_removed(replace(files.removal, **unknown))


@pytest.mark.parametrize("name", ["../live", "pre-RB-2", "", "/etc/passwd"])
async def test_only_files_that_are_restore_points_are_opened(files: Files, name: str) -> None:
    files.make("CREATE TABLE t (v)")
    with pytest.raises(UnknownPoint):
        await files.executor().list_removed(replace(files.removal, undo=name))


# People --------------------------------------------------------------------------------------------


async def test_rows_about_people_are_handed_over_only_where_they_are_asked_for(files: Files) -> None:
    files.make("CREATE TABLE Customers (id INTEGER PRIMARY KEY)", "INSERT INTO Customers VALUES (1)",
               then=("DELETE FROM Customers",))  # fmt: skip
    executor = files.executor("customers")
    listed = (await files.tables("customers"))["Customers"]
    assert isinstance(listed, TableListed)
    assert (listed.personal, figures(listed)) == (True, (0, 0, 1))
    for typed in ("Customers", "CUSTOMERS"):
        with pytest.raises(Denied, match="about people"):
            await anext(executor.rows_removed(files.removal, typed))
    async with aclosing(executor.rows_removed(files.removal, "Customers", personal=True)) as batches:
        assert [batch async for batch in batches] == [(returning(1),)]


async def test_a_table_that_is_called_personal_and_does_not_exist_is_said(files: Files) -> None:
    files.make("CREATE TABLE t (v)")
    missing = (await files.tables("customrs"))["customrs"]
    assert missing == TableNotListed("customrs", "the settings call it personal, and there is no such table")


# As a stream ---------------------------------------------------------------------------------------


async def test_what_was_written_since_changes_nothing_and_nobody_is_held_up(files: Files) -> None:
    files.make("CREATE TABLE t (v)", then=("INSERT INTO t VALUES (1)",))
    files.live.write_bytes(files.point.read_bytes())
    async with aclosing(files.stream("t")) as rows:
        assert await anext(rows) == new(1)
        run(files.live, "PRAGMA busy_timeout = 0", "INSERT INTO t VALUES (7)")
    assert await files.rows() == [new(1)]


async def test_a_hundred_thousand_rows_stream_within_bounded_memory(files: Files) -> None:
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)"
    files.make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        then=(f"INSERT INTO t {numbers} SELECT i, printf('%0100d', i) FROM n",),
    )
    executor, removal, came = files.executor(), files.removal, 0
    tracemalloc.start()
    try:
        async with aclosing(executor.rows_removed(removal, "t")) as batches:
            async for batch in batches:
                came += len(batch)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert came == 100_000
    assert most < 3 * MIB, most  # the text alone has over 9 MiB


async def test_large_values_make_small_batches(files: Files) -> None:
    files.make(
        "CREATE TABLE t (v)",
        then=(f"INSERT INTO t VALUES {', '.join([f'(zeroblob({BYTES_AT_ONCE}))'] * 3)}",),
    )
    async with aclosing(files.executor().rows_removed(files.removal, "t")) as batches:
        assert [len(batch) async for batch in batches] == [1, 1, 1]


@pytest.fixture
def many(files: Files) -> Files:
    rows = ", ".join(f"({n})" for n in range(ROWS_AT_ONCE * 2))
    files.make("CREATE TABLE t (v INTEGER PRIMARY KEY)", then=(f"INSERT INTO t VALUES {rows}",))
    return files


async def test_who_stops_reading_lets_go_of_the_files(many: Files) -> None:
    async with aclosing(many.executor().rows_removed(many.removal, "t")) as batches:
        await anext(batches)
        assert opened(many) == 2 * 2  # ours, and SQLite's own
    assert opened(many) == 0


def opened(files: Files) -> int:
    return sum(is_of(files, f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd"))


def is_of(files: Files, descriptor: str) -> bool:
    try:
        return os.readlink(descriptor) in {str(files.undo), str(files.point)}
    except OSError:
        return False


async def test_a_file_that_is_touched_while_rows_are_read_is_said(many: Files) -> None:
    async with aclosing(many.executor().rows_removed(many.removal, "t")) as batches:
        await anext(batches)
        many.point.write_bytes(many.point.read_bytes() + b"\0" * 4096)
        with pytest.raises(StateChanged, match="touched while it was read"):
            [batch async for batch in batches]


async def test_a_statement_that_runs_long_is_interrupted_when_nobody_waits(files: Files) -> None:
    """Else it would go on for many seconds."""
    files.make("CREATE TABLE t (v)")
    listings = files.executor()._listings
    stopping = threading.Event()
    with listings._both(files.removal, stopping) as both:
        stopping.set()
        numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000000)"
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            both.execute(f"{numbers} SELECT count(*) FROM n").fetchone()
