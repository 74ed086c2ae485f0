"""What an earlier version of this program has written, at each state of a run, goes on after the upgrade.

`written_at_0001.json` holds every row of a database that revision 0001's own code has written.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, create_engine

from bot import machine
from bot.model import E, Event, Person, State
from storage.database import HEAD, Database, open_database, revision, sqlite_url, upgrade
from storage.evidence import first_break
from storage.runs import Store, open_store
from tests.bot.stories import ANA, BEN, T0, later
from tests.postgres import Databases
from tests.storage.conftest import FRONT
from tests.storage.told import ask, rows

HERE = Path(__file__).parent
MIGRATIONS = HERE.parents[1] / "storage" / "migrations"
WRITTEN: dict[str, list[dict[str, Any]]] = json.loads((HERE / "written_at_0001.json").read_text())
DECIDED: dict[
    str, tuple[E, Person, dict[str, Any]]
] = {  # what people say next, by the state that waits for them
    "awaiting_approval": (E.CANCELLED, ANA, {}),
    "paused": (E.ENDED, BEN, {}),
    "stuck": (E.RESOLVED_UNCHANGED, BEN, {"answer": "unchanged"}),
}


@pytest.fixture(params=["sqlite", "postgres"])
async def old(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as that version has left it."""
    with ExitStack() as stack:
        url = sqlite_url(tmp_path / "rollback.db")
        if request.param == "postgres":
            server: Databases = request.getfixturevalue("server")
            url = stack.enter_context(server.fresh())
        await asyncio.to_thread(write_at_0001, url.replace("+aiosqlite", ""))
        database = open_database(url)
        yield database
        await database.close()


def write_at_0001(url: str) -> None:
    """Makes the tables of that revision, with what it wrote."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "0001")
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if found := WRITTEN.get(table.name):
                connection.execute(table.insert(), found)
    engine.dispose()


async def upgraded(old: Database) -> Store:
    assert await revision(old) == "0001"
    await upgrade(old)
    assert await revision(old) == HEAD
    return await open_store(old, FRONT, T0)


async def test_every_run_is_what_it_was(old: Database) -> None:
    store = await upgraded(old)
    for row in WRITTEN["runs"]:
        run = await store.load(row["run_id"])
        phase = run.phase.value if run.phase else None
        assert (run.state.value, phase, run.seq) == (row["state"], row["phase"], row["seq"])
        assert machine.wants_driving(run) == row["wants_driving"]


async def test_a_run_of_every_state_was_written() -> None:
    assert {row["state"] for row in WRITTEN["runs"]} == {state.value for state in State}


async def test_every_run_that_has_not_ended_goes_on(old: Database) -> None:
    store = await upgraded(old)
    still_open = [row for row in WRITTEN["runs"] if not row["final"]]
    assert len(still_open) == 6
    for row in still_open:
        run = await store.load(row["run_id"])
        if row["wants_driving"]:
            assert await store.claim(run.id, later(10_000), timedelta(seconds=15)) is not None
            continue
        kind, by, data = DECIDED[row["state"]]
        moved = await store.append(
            run, Event(kind, later(10_000), by.id, {"marks": sorted(by.marks), **data})
        )
        assert moved.seq == run.seq + 1
        assert await store.load(run.id) == moved


async def test_locks_holds_and_cards_are_what_they_were(old: Database) -> None:
    store = await upgraded(old)
    locks = {row["target"]: row["run_id"] for row in WRITTEN["target_locks"]}
    assert await store.open_runs() == locks
    assert len(await store.holds([row["target"] for row in WRITTEN["holds"]])) == len(WRITTEN["holds"])
    assert len(await rows(store, "select key from cards where superseded_ts is null")) == len(
        WRITTEN["cards"]
    )


async def test_the_log_still_holds_and_goes_on(old: Database) -> None:
    store = await upgraded(old)
    await store.note("press_refused", later(10_000), ANA.id, {})
    async with old.snapshot() as connection:
        assert await first_break(connection) is None


async def test_the_next_run_takes_the_next_number(old: Database) -> None:
    store = await upgraded(old)
    assert (await ask(store, "somewhere new")).id == f"RB-{len(WRITTEN['runs']) + 1}"


async def test_a_file_that_was_upgraded_has_its_copy_aside(tmp_path: Path) -> None:
    path = tmp_path / "rollback.db"
    await asyncio.to_thread(write_at_0001, f"sqlite:///{path}")
    database = open_database(sqlite_url(path))
    await upgrade(database)
    await database.close()
    aside = open_database(sqlite_url(path.with_suffix(f".before-{HEAD}.db")))
    assert await revision(aside) == "0001"
    await aside.close()
