"""A backup is whole or is not there; what is put back is exactly that, and waits for people."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bot import machine
from bot.errors import UserError
from bot.event_kinds import EventKind as E
from bot.model import Do, State
from storage.backup import DUMP, LOAD, Backup, PutBack, back_up, put_back
from storage.claims import Claims, Due
from storage.database import NewerDatabase, open_database, sqlite_url
from storage.evidence import FIRST_PREV
from storage.integrity import Unsound, damage_of
from storage.restored import READ_ONLY, ReadOnly, RestoredStore, confirm, mark_restored, restored
from storage.runs import Store, open_store
from storage.sealing import seal
from storage.tables import evidence_head, installation, runs
from tests.bot.stories import T0, later
from tests.people import ANA
from tests.storage.told import approved, ask, driven, rows, tell

LATER = later(86_400)
OPERATOR = "os:dora"


@pytest.fixture
async def live(path: Path) -> Store:
    """A bot's database while it is in use, on SQLite."""
    store = await open_store(open_database(sqlite_url(path)), None, T0)
    await driven(store)
    await driven(store, await ask(store, "shop"), up_to=Do.RESTORE)
    await approved(store, await ask(store, "basket"))
    await ask(store, "stock")
    return store


@pytest.fixture
async def backup(live: Store, tmp_path: Path) -> Path:
    """Made; then the bot went on, and stopped."""
    await back_up(live.database.url, tmp_path / "backup.db")
    await tell(live, await live.load("RB-4"), E.CANCELLED, ANA)
    await ask(live, "search")
    await live.database.close()
    return tmp_path / "backup.db"


async def opened(path: Path) -> Store:
    return await open_store(open_database(sqlite_url(path)), None, LATER)


async def brought_back(path: Path, backup: Path, at: datetime = LATER) -> PutBack:
    return await put_back(sqlite_url(path), backup, at, OPERATOR)


# Making one ------------------------------------------------------------------------------------


async def test_a_backup_says_what_the_log_says(live: Store, tmp_path: Path) -> None:
    made = await back_up(live.database.url, tmp_path / "backup.db")
    async with live.database.read() as connection:
        head = (await connection.execute(select(evidence_head))).one()
    size = (tmp_path / "backup.db").stat().st_size
    assert made == Backup(head.n, head.hash, await live.newest_time(), size)
    await live.database.close()


async def test_a_database_in_which_nothing_was_ever_stored_has_a_backup(path: Path, tmp_path: Path) -> None:
    made = await back_up(sqlite_url(path), tmp_path / "backup.db")
    assert made == Backup(0, FIRST_PREV, None, (tmp_path / "backup.db").stat().st_size)


async def test_what_was_never_in_use_is_not_put_back(path: Path, tmp_path: Path) -> None:
    await back_up(sqlite_url(path), tmp_path / "backup.db")
    before = path.read_bytes()
    with pytest.raises(UserError, match="never in use"):
        await brought_back(path, tmp_path / "backup.db")
    assert path.read_bytes() == before


async def test_a_backup_is_one_file_for_us_alone(live: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    await back_up(live.database.url, folder / "backup.db")
    await live.database.close()
    assert os.listdir(folder) == ["backup.db"]
    assert stat.S_IMODE((folder / "backup.db").stat().st_mode) == 0o600


async def test_backups_are_whole_while_the_bot_writes(live: Store, tmp_path: Path) -> None:
    async def write() -> None:
        for n in range(60):
            await ask(live, f"t{n}")

    writing = asyncio.create_task(write())
    made = [await back_up(live.database.url, tmp_path / f"{n}.db") for n in range(5)]
    await writing
    await live.database.close()
    assert made[0].entries < made[-1].entries
    for n, one in enumerate(made):
        with closing(sqlite3.connect(tmp_path / f"{n}.db")) as connection:
            assert connection.execute("select n, hash from evidence_head").fetchone() == (
                one.entries,
                one.head,
            )


async def test_what_is_there_already_is_not_overwritten(live: Store, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("mine")
    with pytest.raises(UserError, match="is there already, and is not overwritten"):
        await back_up(live.database.url, tmp_path / "backup.db")
    await live.database.close()
    assert (tmp_path / "backup.db").read_text() == "mine"


async def test_of_a_damaged_database_there_is_no_backup(live: Store, tmp_path: Path) -> None:
    damage = text("update evidence set body = '{}' where n = 3")
    await live.database.write(lambda connection: connection.execute(damage))
    with pytest.raises(Unsound, match="entry 3 of its evidence"):
        await back_up(live.database.url, tmp_path / "backup.db")
    await live.database.close()
    assert not list(tmp_path.glob("backup*"))


async def test_a_server_is_backed_up_and_put_back_by_its_own_tools(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nowhere/rollback"
    for refused, words in ((back_up(url, tmp_path / "b"), DUMP), (put_back(url, tmp_path, T0, ""), LOAD)):
        with pytest.raises(UserError) as refusal:
            await refused
        assert str(refusal.value) == words


# Putting one back ------------------------------------------------------------------------------


async def test_what_is_put_back_is_what_the_log_of_the_backup_says(path: Path, backup: Path) -> None:
    """I13: every run is the fold of its events, and the log is the backup's with one entry more."""
    done = await brought_back(path, backup)
    store = await opened(path)
    assert await damage_of(store.database, fully_up_to=None) is None
    log = await rows(store, "select n, hash, kind, by, body from evidence order by n")
    assert (log[-2]["n"], log[-2]["hash"]) == (done.backup.entries, done.backup.head)
    assert (log[-1]["kind"], log[-1]["by"]) == ("database_restored", OPERATOR)
    for row in await rows(store, "select run_id, state, seq from runs"):
        run = machine.fold(row["run_id"], await store.events(row["run_id"]))
        assert (run.state.value, run.seq) == (row["state"], row["seq"])
    assert [summary.id for summary in await store.summaries()] == ["RB-4", "RB-3", "RB-2", "RB-1"]
    await store.database.close()


async def test_the_database_before_it_is_kept_whole(path: Path, backup: Path) -> None:
    done = await brought_back(path, backup)
    assert done.aside == path.with_name("rollback.db.before-restore-20261123T030200Z")
    before = await opened(done.aside)
    assert len(await before.summaries()) == 5
    assert await damage_of(before.database) is None
    await before.database.close()


async def test_a_damaged_database_is_kept_as_it_is(path: Path, backup: Path) -> None:
    path.write_bytes(b"damaged" * 1000)
    done = await brought_back(path, backup)
    assert done.aside is not None
    assert done.aside.read_bytes() == b"damaged" * 1000


async def test_a_log_of_the_database_before_it_is_never_read_with_the_new_one(
    path: Path, live: Store, tmp_path: Path
) -> None:
    """As after a kill: the newest changes of the old file stand in its write-ahead log alone."""
    await back_up(live.database.url, tmp_path / "backup.db")
    await ask(live, "search")
    killed = tmp_path / "killed.db"
    for suffix in ("", "-wal"):
        killed.with_name(f"killed.db{suffix}").write_bytes(
            path.with_name(f"{path.name}{suffix}").read_bytes()
        )
    await live.database.close()
    done = await put_back(sqlite_url(killed), tmp_path / "backup.db", LATER, OPERATOR)
    assert done.aside is not None
    for file, count in ((killed, 4), (done.aside, 5)):
        store = await opened(file)
        assert len(await store.summaries()) == count
        await store.database.close()


async def test_while_somebody_reads_nothing_is_put_back(path: Path, live: Store, tmp_path: Path) -> None:
    """What stands only in the log would be parted from its file."""
    await back_up(live.database.url, tmp_path / "backup.db")
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        reader.execute("select * from runs").fetchall()
        await ask(live, "search")
        await live.database.close()
        with pytest.raises(UserError, match="Another process has"):
            await brought_back(path, tmp_path / "backup.db")
    assert not list(tmp_path.glob("*.before-restore-*"))
    store = await opened(path)
    assert len(await store.summaries()) == 5
    await store.database.close()


async def test_a_log_beside_a_damaged_database_is_kept_with_it(
    path: Path, live: Store, tmp_path: Path
) -> None:
    """It cannot be put into its file any more, and would be read into the new one."""
    await back_up(live.database.url, tmp_path / "backup.db")
    await ask(live, "search")
    killed, log = tmp_path / "killed.db", path.with_name(f"{path.name}-wal").read_bytes()
    killed.write_bytes(b"damaged" * 1000)
    killed.with_name("killed.db-wal").write_bytes(log)
    await live.database.close()
    done = await put_back(sqlite_url(killed), tmp_path / "backup.db", LATER, OPERATOR)
    assert done.aside is not None
    assert done.aside.with_name(f"{done.aside.name}-wal").read_bytes() == log
    store = await opened(killed)
    assert len(await store.summaries()) == 4
    assert await damage_of(store.database) is None
    await store.database.close()


async def test_a_new_name_keeps_new_operations_apart_from_old_ones(path: Path, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as connection:
        (old,) = connection.execute("select id from installation").fetchone()
    done = await brought_back(path, backup)
    assert (done.restored.before, done.restored.newest) == (old, 4)
    assert done.restored.installation != old
    store = await opened(path)
    assert store.installation == done.restored.installation
    await store.database.close()


def is_no_database(file: Path) -> None:
    file.write_text("nothing of the kind")


def is_cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def is_of_something_else(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("create table alembic_version (version_num text)")


@pytest.mark.parametrize("spoil", [is_no_database, is_cut_off, is_of_something_else])
async def test_what_is_no_sound_backup_changes_nothing(
    path: Path, backup: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(backup)
    before = path.read_bytes()
    with pytest.raises(UserError, match="is no sound backup"):
        await brought_back(path, backup)
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == ["backup.db", "rollback.db"]


async def test_a_backup_of_a_newer_program_is_refused_in_one_sentence(path: Path, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(NewerDatabase, match="Use the newer program"):
        await brought_back(path, backup)


async def test_a_backup_with_a_changed_entry_is_refused(path: Path, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("update run_events set by = 'U01EVE' where run_id = 'RB-1' and seq = 4")
    with pytest.raises(UserError, match="event 4 of RB-1 is not what its evidence says"):
        await brought_back(path, backup)


async def test_the_seal_of_the_database_before_it_says_nothing_of_the_new_one(
    path: Path, backup: Path
) -> None:
    await seal(sqlite_url(path))
    await brought_back(path, backup)
    store = await opened(path)
    assert await damage_of(store.database) is None
    await store.database.close()


# Until people confirm --------------------------------------------------------------------------


@pytest.fixture
async def waiting(path: Path, backup: Path) -> RestoredStore:
    """What `serve` works with after a restore."""
    await brought_back(path, backup)
    database = open_database(sqlite_url(path))
    told = await restored(database)
    assert told is not None
    return RestoredStore(database, told.installation, None)


async def test_nothing_is_opened_or_decided(waiting: RestoredStore) -> None:
    with pytest.raises(ReadOnly, match="NOT accepted, nothing will run"):
        await ask(waiting, "search")
    with pytest.raises(ReadOnly):
        await tell(waiting, await waiting.load("RB-4"), E.CANCELLED, ANA)
    assert len(await waiting.summaries()) == 4
    await waiting.database.close()


async def test_nothing_is_driven_expired_or_shown(waiting: RestoredStore) -> None:
    assert await Claims(waiting).claim("RB-2", LATER, LATER - T0) is None
    assert await Claims(waiting).due(LATER) == Due()
    lists = [waiting.due(LATER), waiting.to_show(), waiting.ids_in(State.RUNNING)]
    assert [await one for one in lists] == [[], [], []]
    await waiting.database.close()


async def test_what_was_refused_is_evidence(waiting: RestoredStore) -> None:
    await waiting.note("request_refused", LATER, ANA.id, {"why": READ_ONLY})
    (newest, *_) = await rows(waiting, "select kind, by from evidence order by n desc")
    assert (newest["kind"], newest["by"]) == ("request_refused", ANA.id)
    await waiting.database.close()


async def test_to_confirm_ends_what_nobody_approved_and_doubts_what_ran(waiting: RestoredStore) -> None:
    moved = await confirm(waiting.database, 0, LATER, OPERATOR)
    assert {run.id: run.state for run in moved} == {
        "RB-2": State.STUCK,
        "RB-3": State.VOID,
        "RB-4": State.VOID,
    }
    assert await restored(waiting.database) is None
    assert await damage_of(waiting.database) is None
    assert await waiting.open_runs() == {"shop": "RB-2"}
    (newest, *_) = await rows(waiting, "select kind, by from evidence order by n desc")
    assert (newest["kind"], newest["by"]) == ("database_confirmed", OPERATOR)
    await waiting.database.close()


async def test_a_forgotten_run_is_not_driven_before_people_have_said_what_is_live(
    path: Path, waiting: RestoredStore
) -> None:
    await confirm(waiting.database, 0, LATER, OPERATOR)
    await waiting.database.close()
    store = await opened(path)
    assert await Claims(store).due(LATER) == Due()
    await store.database.close()


@pytest.mark.parametrize(("highest", "following"), [(0, "RB-5"), (3, "RB-5"), (57, "RB-58")])
async def test_runs_are_numbered_after_every_number_that_was_seen(
    path: Path, waiting: RestoredStore, highest: int, following: str
) -> None:
    await confirm(waiting.database, highest, LATER, OPERATOR)
    await waiting.database.close()
    store = await opened(path)
    assert (await ask(store, "search")).id == following
    await store.database.close()


async def test_there_is_nothing_to_confirm_twice(waiting: RestoredStore) -> None:
    await confirm(waiting.database, 0, LATER, OPERATOR)
    with pytest.raises(UserError, match="nothing to confirm"):
        await confirm(waiting.database, 0, LATER, OPERATOR)
    await waiting.database.close()


async def test_put_back_twice_the_operations_are_still_known_by_their_first_name(
    path: Path, backup: Path, tmp_path: Path
) -> None:
    first = await brought_back(path, backup)
    await back_up(sqlite_url(path), tmp_path / "again.db")
    second = await brought_back(path, tmp_path / "again.db", later(90_000))
    assert second.restored.before == first.restored.before
    assert second.restored.installation != first.restored.installation


async def test_a_server_that_was_put_back_by_its_own_tools_waits_too(store: Store) -> None:
    await driven(store, up_to=Do.RESTORE)
    told = await mark_restored(store.database, LATER, OPERATOR)
    assert (told.before, told.newest) == (store.installation, 1)
    assert await damage_of(store.database) is None
    moved = await confirm(store.database, 7, LATER, OPERATOR)
    assert [run.state for run in moved] == [State.STUCK]
    async with store.database.read() as connection:
        assert await connection.scalar(select(installation.c.runs)) == 7
        assert await connection.scalar(select(runs.c.state)) == "stuck"
