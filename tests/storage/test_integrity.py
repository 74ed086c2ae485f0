"""A database that was damaged is not used, and what is wrong is said; a sound one is never refused."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Text, cast, select, text

from bot.model import Do
from storage.database import Database, open_database, sqlite_url
from storage.integrity import damage_of, why_not_sound
from storage.runs import Store, open_store
from storage.sealing import beside, forget_seal, seal, take_seal_off
from storage.tables import run_events
from tests.bot.stories import T0
from tests.people import BEN
from tests.storage.told import ask, driven


async def lived(store: Store) -> None:
    """One run that ended well and holds what it left, one under way, one that was just asked for."""
    await driven(store)
    await driven(store, await ask(store, "shop"), up_to=Do.RESTORE)
    await ask(store, "basket")


async def broken_by(database: Database, statement: str) -> str | None:
    await database.write(lambda connection: connection.execute(text(statement)))
    return await damage_of(database)


async def test_what_the_bot_has_written_is_sound(database: Database, store: Store) -> None:
    await lived(store)
    assert await why_not_sound(database) is None


async def test_events_that_an_earlier_version_has_spaced_otherwise_are_sound(
    database: Database, store: Store
) -> None:
    await lived(store)
    stored = select(run_events.c.run_id, run_events.c.seq, cast(run_events.c.data, Text))
    spaced = text("update run_events set data = :data where run_id = :of and seq = :n")
    async with database.read() as connection:
        told = (await connection.execute(stored)).all()
    rows = [{"of": of, "n": n, "data": json.dumps(json.loads(data))} for of, n, data in told]
    await database.write(lambda connection: connection.execute(spaced, rows))
    assert any(row["data"] != data for row, (_, _, data) in zip(rows, told, strict=True))
    assert await damage_of(database) is None


async def test_a_database_that_is_only_just_made_is_sound(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "rollback.db"))
    assert await why_not_sound(database) is None
    await database.close()


DAMAGED = {
    "when the installation was made is no time": (
        "update installation set made_at = '2026-11-22T03:02:0x.000Z'",
        "it holds what was never written",
    ),
    "an event was changed": (
        "update run_events set by = 'U01EVE' where run_id = 'RB-1' and seq = 4",
        "event 4 of RB-1 is not what its evidence says",
    ),
    "what an event told was changed": (
        "update run_events set data = '{}' where run_id = 'RB-2' and seq = 2",
        "event 2 of RB-2 is not what its evidence says",
    ),
    "an event is gone": ("delete from run_events where run_id = 'RB-3'", "RB-3 is not complete"),
    "the last event of a run is gone": (
        "delete from run_events where run_id = 'RB-1' and seq = (select seq from runs where run_id = 'RB-1')",
        "RB-1 lacks events that its evidence has",
    ),
    "an entry of evidence was changed": ("update evidence set kind = 'vetoed' where n = 3", "entry 3 of its"),
    "a run is gone": ("delete from runs where run_id = 'RB-1'", "RB-1 is not complete"),
    "a run is said to be elsewhere": (
        "update runs set state = 'paused' where run_id = 'RB-2'",
        "RB-2 is not stored as its events say (state)",
    ),
    "a run is said to belong to somebody else": (
        "update runs set requester_human = 'eve' where run_id = 'RB-2'",
        "RB-2 is not stored as its events say (requester_human)",
    ),
    "an open run does not hold its target": (
        "delete from target_locks where target = 'shop'",
        "RB-2 is open, but has not taken `shop`",
    ),
    "an ended run holds a target": (
        "insert into target_locks values ('orders', 'RB-1')",
        "`orders` is taken by RB-1, which is not open",
    ),
    "a hold was moved": (
        "update holds set point = 'v1'",
        "the hold of RB-1 on `orders` is not what its run says",
    ),
    "a hold was lifted by nobody": (
        "update holds set lifted_at = placed_at",
        "the hold of RB-1 on `orders` was lifted by nobody",
    ),
    "runs were not counted": ("update installation set runs = 2", "it has 3 runs, but counted 2"),
    "nobody has put it back": (
        "update installation set restored_at = made_at",
        "whether it was put back from a backup is not what its evidence says",
    ),
}


@pytest.mark.parametrize("how", DAMAGED)
async def test_damage_is_found_and_named(database: Database, store: Store, how: str) -> None:
    await lived(store)
    statement, words = DAMAGED[how]
    assert words in str(await broken_by(database, statement))


async def test_whoever_starts_is_told_what_to_do(path: Path) -> None:
    path.write_bytes(b"no database at all, whatever its name says" * 100)
    database = open_database(sqlite_url(path))
    words = str(await why_not_sound(database))
    assert words.startswith(f"The database {path} is damaged: ")
    assert "rollback-bot db restore FILE" in words
    await database.close()


# What is looked at in a long log ---------------------------------------------------------------


async def test_a_long_log_is_looked_at_from_where_it_was_known_to_be_right(
    database: Database, store: Store
) -> None:
    await lived(store)
    await broken_by(database, "update evidence set kind = 'vetoed' where n = 3")
    assert await damage_of(database, fully_up_to=10) is None
    assert await damage_of(database, fully_up_to=None) is not None


async def test_the_newest_of_a_long_log_is_always_looked_at(database: Database, store: Store) -> None:
    await lived(store)
    newest = "update evidence set kind = 'vetoed' where n = (select n - 1 from evidence_head)"
    await broken_by(database, newest)
    assert await damage_of(database, fully_up_to=10) is not None


async def test_an_open_run_is_always_looked_at(database: Database, store: Store) -> None:
    await lived(store)
    await broken_by(database, "update runs set phase = 'verify' where run_id = 'RB-2'")
    assert await damage_of(database, fully_up_to=1) is not None


# The seal of a clean stop ----------------------------------------------------------------------


@pytest.fixture
async def stopped(path: Path) -> Path:
    """A database of a bot that has lived, after a clean stop."""
    database = open_database(sqlite_url(path))
    await lived(await open_store(database, None, T0))
    await database.close()
    await seal(sqlite_url(path))
    return path


async def reopened(path: Path) -> str | None:
    database = open_database(sqlite_url(path))
    try:
        return await damage_of(database)
    finally:
        await database.close()


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


async def test_after_a_clean_stop_the_file_is_as_it_was_left(stopped: Path) -> None:
    assert await reopened(stopped) is None


async def test_after_a_clean_stop_any_change_is_found(stopped: Path) -> None:
    change(stopped, "update cards set recipient = 'C01OTHER'")
    assert await reopened(stopped) == "it is not the file that `serve` left behind"


async def test_whoever_writes_beside_it_leaves_evidence_and_so_no_damage(stopped: Path) -> None:
    database = open_database(sqlite_url(stopped))
    store = await open_store(database, None, T0)
    await store.note("press_refused", T0, BEN.id, {})
    await database.close()
    assert await reopened(stopped) is None


async def test_whoever_writes_without_evidence_takes_the_seal_off(stopped: Path) -> None:
    database = open_database(sqlite_url(stopped))
    forget_seal(database)
    await database.close()
    change(stopped, "update cards set recipient = 'C01OTHER'")
    assert await reopened(stopped) is None


async def test_a_log_that_has_lost_its_end_is_found_after_a_crash(stopped: Path, tmp_path: Path) -> None:
    """As when the disk forgets the newest writes: the rest is whole."""
    earlier = tmp_path / "earlier.db"
    earlier.write_bytes(stopped.read_bytes())
    database = open_database(sqlite_url(stopped))
    await (await open_store(database, None, T0)).note("press_refused", T0, BEN.id, {})
    await take_seal_off(database)
    await database.close()
    stopped.write_bytes(earlier.read_bytes())
    assert "of its evidence does not follow" in str(await reopened(stopped))


async def test_a_seal_that_is_damaged_itself_proves_nothing(stopped: Path) -> None:
    beside(stopped).write_bytes(beside(stopped).read_bytes().replace(b'"n":', b'"m":'))
    assert await reopened(stopped) is None


async def test_a_file_that_somebody_writes_is_not_sealed(path: Path) -> None:
    database = open_database(sqlite_url(path))
    await lived(await open_store(database, None, T0))
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        reader.execute("select * from runs").fetchall()
        await (await open_store(database, None, T0)).note("press_refused", T0, BEN.id, {})
        await seal(sqlite_url(path))
    assert not beside(path).exists()
    await database.close()
