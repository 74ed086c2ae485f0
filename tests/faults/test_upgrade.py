"""A state folder as the first version left it: `serve` brings it up to date.

What ran goes on, as far as people's decisions can still be believed: the first version signed less of them.
"""

import asyncio
import json
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from bot.canonical_json import canonical
from bot.signatures import Signer
from handlers.keys import signer_at
from storage.database import HEAD, open_database, revision, sqlite_url
from storage.evidence import FIRST_PREV, link
from storage.integrity import damage_of
from storage.sealing import beside
from tests.handlers.killed_world import KilledWorld
from tests.handlers.world import STANDARD

MIGRATIONS = Path(__file__).parents[2] / "storage" / "migrations"
OF_THE_FIRST = (  # tables in the order in which they can be filled
    "installation",
    "run_events",
    "evidence",
    "evidence_head",
    "runs",
    "target_locks",
    "holds",
    "deliveries",
    "looks",
    "modals",
    "cards",
)


def as_the_first_version_wrote_it(path: Path) -> None:
    """The same rows under the tables of revision 0001, which knew fewer columns; only while nobody serves."""
    old = path.with_suffix(".first")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{old}")
    command.upgrade(config, "0001")
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("attach ? as new", (str(path),))
        for table in OF_THE_FIRST:
            columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"pragma table_info({table})"))
            connection.execute(f"insert into {table} ({columns}) select {columns} from new.{table}")
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    beside(path).unlink(missing_ok=True)  # the first version made none
    old.replace(path)


def as_the_first_version_signed_it(path: Path, signer: Signer) -> None:
    """People's words with the signatures that it gave them, which left out their data. The log fits them."""
    with closing(sqlite3.connect(path)) as connection:
        signatures = dict(_signatures(connection, signer))
        for (run_id, seq), signature in signatures.items():
            of_it = (signature, run_id, seq)
            connection.execute("update run_events set signature = ? where run_id = ? and seq = ?", of_it)
        prev = FIRST_PREV
        for n, body in connection.execute("select n, body from evidence order by n").fetchall():
            told = json.loads(body)
            if (word := (told["run"], told.get("seq"))) in signatures:
                told["signature"] = signatures[word]
            new = canonical(told)
            linked = (new.decode(), prev, prev := link(prev, new), n)
            connection.execute("update evidence set body = ?, prev = ?, hash = ? where n = ?", linked)
        connection.execute("update evidence_head set hash = ?", (prev,))
        connection.commit()


def _signatures(connection: sqlite3.Connection, signer: Signer) -> Iterator[tuple[tuple[str, int], str]]:
    """By run and seq."""
    (installation,) = connection.execute("select id from installation").fetchone()
    said = connection.execute("select run_id, seq, kind, by, at, data from run_events where signature != ''")
    for run_id, seq, kind, by, at, data in said.fetchall():
        about = {"installation": installation, "run": run_id, "seq": seq, "kind": kind}
        plan = json.loads(data).get("digest", "")
        yield (run_id, seq), signer.sign(canonical({**about, "plan": plan, "person": by, "at": at}))


@pytest.fixture
async def world(tmp_path: Path, template: Path) -> AsyncIterator[KilledWorld]:
    world = KilledWorld(tmp_path)
    await world.open(STANDARD, template)
    yield world
    await world.close()


async def stops(world: KilledWorld) -> Path:
    """The database that it leaves."""
    world.process.terminate()
    await world.process.wait()
    await world.reading.database.close()
    return world.folder / "state" / "rollback.db"


async def asks(world: KilledWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    await world.shows("Approve")
    await world.read_for_a_second()


async def restores_and_does_not_end(world: KilledWorld) -> None:
    await asks(world)
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")


async def test_an_upgrade_that_would_end_what_waits_is_made_only_when_somebody_says_yes(
    world: KilledWorld,
) -> None:
    await asks(world)
    path = await stops(world)
    as_the_first_version_wrote_it(path)
    refused = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "handlers.cli", "serve"),
        env={**os.environ, **world.environment()},
        stdout=PIPE,
        stderr=PIPE,
    )
    _, said = await refused.communicate()
    assert refused.returncode == 2
    assert b"1 run waits under plans of the version before, which pin no contents: RB-1" in said
    world.options = ("--yes",)
    await world.comes_back()
    assert (await world.run()).state == "awaiting_approval"  # it is kept; its plan says whether it may start


async def test_a_restore_under_way_is_found_after_the_upgrade_and_not_repeated(world: KilledWorld) -> None:
    await restores_and_does_not_end(world)
    as_the_first_version_wrote_it(await stops(world))
    await world.comes_back()
    world.backend.no_longer("hang")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def upgraded(world: KilledWorld) -> None:
    """From what the first version left, signatures and all."""
    path = await stops(world)
    as_the_first_version_signed_it(path, signer_at(path.with_name("front.key")))
    as_the_first_version_wrote_it(path)
    world.options = ("--yes",)
    await world.comes_back()


async def test_what_was_asked_before_the_upgrade_has_to_be_asked_again(world: KilledWorld) -> None:
    """Of the request itself nobody can say any more that it is as it was made."""
    await asks(world)
    await upgraded(world)
    await world.clicks("ben", "Approve and start")
    assert "carries no valid signature" in (await world.reaches("void")).why
    assert world.backend.effects == []
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval", "RB-2")


async def test_a_restore_that_was_agreed_before_the_upgrade_is_not_carried_on(world: KilledWorld) -> None:
    await restores_and_does_not_end(world)
    await upgraded(world)
    world.backend.no_longer("hang")
    assert "carries no valid signature" in (await world.reaches("stuck")).why
    assert world.backend.restored == ["v41"]


async def test_the_file_is_kept_as_it_was_and_the_new_one_is_sound(world: KilledWorld) -> None:
    path = await stops(world)
    await asyncio.to_thread(as_the_first_version_wrote_it, path)
    await world.comes_back()
    found = []
    for file in (path.with_suffix(f".before-{HEAD}.db"), path):
        database = open_database(sqlite_url(file))
        found.append((await revision(database), await damage_of(database)))
        await database.close()
    assert found == [("0001", None), (HEAD, None)]
