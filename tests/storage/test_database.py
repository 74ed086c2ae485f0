"""The database itself: how it is opened, who may write, how it is brought up to date, who serves from it."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.clock import utc_now
from storage.database import (
    HEAD,
    Database,
    Locked,
    LockFile,
    NewerDatabase,
    NotAccepted,
    file_of,
    offset,
    open_database,
    revision,
    sqlite_url,
    upgrade,
    why_not_current,
)
from storage.tables import metadata
from storage.writing import NoneFree, lent
from tests.postgres import Databases

MIGRATIONS = Path(__file__).parents[2] / "storage" / "migrations" / "versions"


async def put(database: Database, view_id: str) -> None:
    await database.write(lambda connection: _put(connection, view_id))


async def _put(connection: AsyncConnection, view_id: str) -> None:
    values = "(:view, 'U1', 'orders', 1, '{}', '', 'reading', null)"
    await connection.execute(text(f"insert into modals values {values}"), {"view": view_id})


async def views(database: Database) -> list[str]:
    async with database.read() as connection:
        return sorted((await connection.execute(text("select view_id from modals"))).scalars())


# Opening ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
async def test_a_commit_to_a_file_outlives_a_power_cut(file: Database, pragma: str, value: object) -> None:
    async def look(connection: AsyncConnection) -> Any:
        return (await connection.execute(text(f"pragma {pragma}"))).scalar()

    assert await file.write(look) == value


async def test_readers_cannot_write(database: Database) -> None:
    async with database.read() as connection:
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            await _put(connection, "V1")


async def test_what_was_written_is_read_at_once(database: Database) -> None:
    await put(database, "V1")
    assert await views(database) == ["V1"]


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def half(connection: AsyncConnection) -> None:
        await _put(connection, "V1")
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        await database.write(half)
    assert await views(database) == []


async def test_after_a_failure_the_next_one_writes(database: Database) -> None:
    with pytest.raises(DBAPIError, match="nowhere"):
        await database.write(lambda connection: connection.execute(text("insert into nowhere values (1)")))
    await put(database, "V1")
    assert await views(database) == ["V1"]


async def test_a_reader_sees_nothing_of_a_transaction_under_way(database: Database) -> None:
    async def work(connection: AsyncConnection) -> list[str]:
        await _put(connection, "V1")
        return await views(database)

    assert await database.write(work) == []


async def test_when_the_disk_is_full_nobody_is_told_yes_for_nothing(file: Database) -> None:
    """SQLite then takes back a whole transaction, whatever else waited for the same commit."""

    async def fill(connection: AsyncConnection) -> None:
        pages = (await connection.execute(text("pragma page_count"))).scalar()
        await connection.execute(text(f"pragma max_page_count = {pages}"))

    async def much(connection: AsyncConnection) -> None:
        for n in range(1_000):
            await _put(connection, f"much {n} {'x' * 500}")

    await file.write(fill)
    work: list[Callable[[AsyncConnection], Awaitable[None]]]
    work = [lambda c: _put(c, "before"), much, lambda c: _put(c, "after")]
    answers = await asyncio.gather(*map(file.write, work), return_exceptions=True)
    accepted = [view for view, answer in (("before", answers[0]), ("after", answers[2])) if answer is None]
    assert isinstance(answers[1], NotAccepted)
    assert await views(file) == sorted(accepted)


async def test_what_goes_wrong_for_one_goes_wrong_for_nobody_else(database: Database) -> None:
    async def half(connection: AsyncConnection) -> None:
        await _put(connection, "half")
        await _put(connection, "V1")

    work = [put(database, "V1"), database.write(half), put(database, "V2")]
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["NoneType", "IntegrityError", "NoneType"]
    assert await views(database) == ["V1", "V2"]


async def test_read_then_writes_at_once_in_a_file_lose_nothing(file: Database, path: Path) -> None:
    beside = open_database(sqlite_url(path))
    await put(file, "0")

    async def count_up(connection: AsyncConnection) -> None:
        newest = (await connection.execute(text("select max(cast(view_id as integer)) from modals"))).scalar()
        await asyncio.sleep(0)
        await _put(connection, str(int(newest or 0) + 1))

    await asyncio.gather(*(one.write(count_up) for one in [file, beside] * 20))
    await beside.close()
    assert sorted(map(int, await views(file))) == list(range(41))


async def test_who_is_cancelled_while_writing_has_written_all_or_nothing(database: Database) -> None:
    inside = asyncio.Event()

    async def work(connection: AsyncConnection) -> None:
        await _put(connection, "V1")
        inside.set()
        await _put(connection, "V2")

    writing = asyncio.create_task(database.write(work))
    await inside.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await put(database, "V3")  # waits its turn behind the one that goes on
    assert await views(database) == ["V1", "V2", "V3"]


async def test_what_cancelled_writers_did_is_known_when_the_next_has_written(database: Database) -> None:
    tasks = [asyncio.create_task(put(database, f"V{i:02}")) for i in range(20)]
    for i, task in enumerate(tasks):
        await asyncio.sleep(0)
        if i % 2:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await put(database, "last")
    seen = await views(database)
    assert set(seen) >= {f"V{i:02}" for i in range(0, 20, 2)} | {"last"}
    await asyncio.sleep(0)
    assert await views(database) == seen


async def test_who_finds_no_free_connection_is_told_that_the_database_does_not_answer(path: Path) -> None:
    engine = create_async_engine(sqlite_url(path), pool_size=1, max_overflow=0, pool_timeout=0)
    async with lent(engine):
        with pytest.raises(TimeoutError) as told:
            async with lent(engine):
                pass
    assert isinstance(told.value, NoneFree)
    await engine.dispose()


async def test_everything_in_a_snapshot_is_of_one_moment(database: Database) -> None:
    await put(database, "V1")
    async with database.snapshot() as connection:
        first = (await connection.execute(text("select count(*) from modals"))).scalar()
        await put(database, "V2")
        then = (await connection.execute(text("select count(*) from modals"))).scalar()
    assert (first, then) == (1, 1)
    assert await views(database) == ["V1", "V2"]


async def test_how_far_the_databases_clock_is_ahead(database: Database) -> None:
    late = utc_now() - timedelta(hours=1)
    ahead = await offset(database, lambda: late)
    assert ahead == 0.0 if database.kind == "sqlite" else 3_600 <= ahead < 3_660


# Up to date ------------------------------------------------------------------------------------


async def test_a_new_file_has_no_revision(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "new.db"))
    assert await revision(database) is None
    await database.close()


async def test_a_new_file_is_brought_to_the_newest_revision(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "new.db"))
    await upgrade(database)
    assert await revision(database) == HEAD
    await put(database, "V1")
    await database.close()
    assert list(tmp_path.glob("*.before-*")) == []


async def test_bringing_it_up_to_date_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    await put(database, "V1")
    await upgrade(database)
    assert await views(database) == ["V1"]
    assert list(tmp_path.glob("*.before-*")) == []


def test_the_newest_revision_is_the_last_file() -> None:
    assert max(file.name for file in MIGRATIONS.glob("*.py")).startswith(HEAD)


def test_the_migrations_make_exactly_the_tables_that_we_use(url: str) -> None:
    engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": _is_ours}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    assert differences == []


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    """The queue's tables are the library's own."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


async def test_what_a_file_holds_is_copied_aside_before_an_upgrade(file: Database, path: Path) -> None:
    """The copy holds what was committed a moment ago, which stands in the write-ahead log alone."""
    await put(file, "V1")
    await _call_it(file, "0000")
    with pytest.raises(Exception, match="0000"):
        await upgrade(file)
    with closing(sqlite3.connect(path.with_suffix(f".before-{HEAD}.db"))) as aside:
        assert aside.execute("select view_id from modals").fetchall() == [("V1",)]


async def _call_it(database: Database, name: str) -> None:
    statement = text("update alembic_version set version_num = :name")
    await database.write(lambda connection: connection.execute(statement, {"name": name}))


async def test_a_database_at_the_newest_revision_is_current(database: Database) -> None:
    assert await why_not_current(database) is None


async def test_an_older_database_says_what_to_do(database: Database) -> None:
    await _call_it(database, "0001")
    said = f"The database's schema is 0001, this program needs {HEAD}. Run `rollback-bot db upgrade`."
    assert await why_not_current(database) == said


async def test_a_newer_database_is_not_touched(database: Database) -> None:
    await _call_it(database, "9999")
    said = f"The database is of a newer version (9999, this program knows {HEAD}). Use the newer program."
    assert await why_not_current(database) == said
    with pytest.raises(NewerDatabase, match="9999"):
        await upgrade(database)


async def test_two_upgrades_of_a_server_at_once_both_succeed(server: Databases) -> None:
    opened = "storage.database.open_database(sys.argv[1])"
    program = f"import asyncio, storage.database, sys; asyncio.run(storage.database.upgrade({opened}))"
    command = [sys.executable, "-c", program]
    with server.fresh() as url:
        both = [
            await asyncio.create_subprocess_exec(*command, url, cwd=MIGRATIONS.parents[2]) for _ in range(2)
        ]
        assert [await one.wait() for one in both] == [0, 0]
        database = open_database(url)
        assert await revision(database) == HEAD
        await database.close()


async def test_an_upgrade_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rollback.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table target_locks (in_the_way integer)")
    database = open_database(sqlite_url(path))
    with pytest.raises(OperationalError, match="target_locks already exists"):
        await upgrade(database)
    await database.close()
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("select name from sqlite_schema where type = 'table'").fetchall()
    assert names == [("target_locks",)]


def test_the_file_of_a_database() -> None:
    assert file_of("sqlite+aiosqlite:////srv/state/rollback.db") == Path("/srv/state/rollback.db")
    assert file_of("postgresql+psycopg://host/rollback") is None


# Who serves ------------------------------------------------------------------------------------


def test_a_second_one_learns_the_pid_of_the_first(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path / "serve.lock"), LockFile(tmp_path / "serve.lock")
    first.acquire()
    with pytest.raises(Locked) as refused:
        second.acquire()
    first.release()
    assert refused.value.pid == os.getpid()
    assert str(refused.value) == f"process {os.getpid()} serves from this state folder already"


def test_who_was_refused_may_come_back(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path / "serve.lock"), LockFile(tmp_path / "serve.lock")
    first.acquire()
    with pytest.raises(Locked):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_is_given_back_once(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "serve.lock")
    lock.acquire()
    lock.release()
    lock.release()
    lock.acquire()
    lock.release()


def test_a_process_that_died_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "serve.lock"
    program = "import pathlib, storage.database as d, sys; d.LockFile(pathlib.Path(sys.argv[1])).acquire()"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, cwd=MIGRATIONS.parents[2])
    lock = LockFile(path)
    lock.acquire()
    assert path.read_text() == str(os.getpid())
    lock.release()
