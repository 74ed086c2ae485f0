"""A database that is slow, frozen, locked or away: what waits for it is told the truth, and in time."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import SQLITE_FULL, SQLITE_IOERR_FSYNC, OperationalError, connect
from subprocess import PIPE

import pytest
from sqlalchemy import Engine, event, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from bot.event_kinds import EventKind as E
from storage.database import CommitUnknown, Database, NotAccepted, open_database, sqlite_url, upgrade
from storage.runs import Store, open_store
from storage.tables import leases, runs
from storage.writing import QUEUED_AT_MOST_CHANGES, DatabaseWork
from tests.bot.stories import T0, happened
from tests.people import ANA
from tests.postgres import Databases, PostgresServer, postgres_server
from tests.storage.conftest import FRONT
from tests.storage.told import ask, rows

SOON = 0.2  # seconds, that a person would wait
PATIENCE = 20.0  # seconds that a busy machine may take


class Gate:
    """Work that waits inside its transaction until it is let go."""

    def __init__(self) -> None:
        self.inside = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, connection: AsyncConnection) -> None:
        self.inside.set()
        await self.go.wait()


def mark(name: str) -> str:
    return f"insert into leases values ('{name}', '', 1, null)"


async def put(database: Database, name: str, within: float | None = None) -> None:
    await database.write(lambda connection: connection.execute(text(mark(name))), within)


async def marks(database: Database) -> list[str]:
    async with database.read() as connection:
        return sorted((await connection.execute(text("select name from leases"))).scalars())


# Both kinds ------------------------------------------------------------------------------------


async def test_what_takes_too_long_is_not_accepted_and_has_no_effect(database: Database) -> None:
    gate = Gate()

    async def slow(connection: AsyncConnection) -> None:
        await connection.execute(text(mark("slow")))
        await gate(connection)

    with pytest.raises(NotAccepted, match="Nothing was stored and nothing will run"):
        await database.write(slow, SOON)
    gate.go.set()
    await put(database, "next")
    assert await marks(database) == ["next"]


async def test_what_ends_in_time_is_accepted(database: Database) -> None:
    await put(database, "quick", within=PATIENCE)
    assert await marks(database) == ["quick"]


async def test_what_was_committing_when_time_was_over_is_not_known(database: Database) -> None:
    """Here the commit took long and went well."""
    committing, go = asyncio.Event(), asyncio.Event()

    def commits_slowly(_: object) -> None:
        committing.set()
        await_only(go.wait())

    event.listen(Engine, "commit", commits_slowly)
    writing = asyncio.create_task(put(database, "slow", within=SOON))
    await committing.wait()
    with pytest.raises(CommitUnknown):
        await writing
    go.set()
    await put(database, "next")
    event.remove(Engine, "commit", commits_slowly)
    assert await marks(database) == ["next", "slow"]


async def test_a_store_passes_the_deadline_on(store: Store) -> None:
    run = await ask(store)
    gate = Gate()
    holding = asyncio.create_task(store.database.write(moving(gate)))
    await gate.inside.wait()
    with pytest.raises(NotAccepted):
        await store.append(run, happened(E.CANCELLED, T0, ANA.id), within=SOON)
    gate.go.set()
    await holding
    assert await store.load(run.id) == run


def moving(gate: Gate) -> DatabaseWork[None]:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(update(runs).values(progress={}))
        await gate(connection)

    return work


async def test_who_comes_when_too_much_waits_is_told_at_once(database: Database) -> None:
    gate = Gate()
    waiting = [asyncio.create_task(database.write(gate))]
    await gate.inside.wait()
    waiting += [asyncio.create_task(database.write(gate)) for _ in range(QUEUED_AT_MOST_CHANGES)]
    await asyncio.sleep(0)
    with pytest.raises(NotAccepted, match="Too much waits"):
        await put(database, "one too many")
    gate.go.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await marks(database) == []


# A file ----------------------------------------------------------------------------------------


async def test_who_shares_a_transaction_with_one_that_was_given_up_is_stored(file: Database) -> None:
    gate = Gate()
    first = asyncio.create_task(file.write(gate))
    await gate.inside.wait()
    stuck = Gate()
    given_up = asyncio.create_task(file.write(stuck, SOON))
    beside = asyncio.create_task(put(file, "beside"))
    await asyncio.sleep(0)
    gate.go.set()
    with pytest.raises(NotAccepted):
        await given_up
    stuck.go.set()
    await asyncio.gather(first, beside)
    assert await marks(file) == ["beside"]


async def test_a_file_that_another_process_writes_to_is_not_waited_for(file: Database, path: Path) -> None:
    await put(file, "before")
    with closing(connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(NotAccepted):
            await put(file, "meanwhile", within=SOON)
        other.execute("rollback")
    await put(file, "after")
    assert await marks(file) == ["after", "before"]


def failing_with(code: int) -> DatabaseWork[None]:
    async def work(connection: AsyncConnection) -> None:
        problem = OperationalError("…")
        problem.sqlite_errorcode = code
        raise DBAPIError("COMMIT", None, problem)

    return work


KILLED = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("pragma journal_mode = wal")
database.execute("create table if not exists killed (n)")
database.commit()
os._exit(0)
"""
RECOVERING = """
import fcntl, sys
shared = open(sys.argv[1] + "-shm", "r+b")
shared.write(bytes(136))  # both copies of the header: whoever comes next has to recover
shared.flush()
fcntl.lockf(shared, fcntl.LOCK_SH, 1, 128)  # by everybody who uses the file
for byte in (120, 122):  # by who writes to the log, and by who recovers it: see SQLite's walformat.html
    fcntl.lockf(shared, fcntl.LOCK_EX, 1, byte)
print("locked", flush=True)
sys.stdin.readline()
"""


async def test_a_log_that_another_process_recovers_after_a_kill_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    subprocess.run([sys.executable, "-c", KILLED, path], check=True)
    with subprocess.Popen([sys.executable, "-c", RECOVERING, path], stdin=PIPE, stdout=PIPE) as recovering:
        assert recovering.stdout is not None
        assert recovering.stdin is not None
        recovering.stdout.readline()
        database = open_database(sqlite_url(path))
        asyncio.get_running_loop().call_later(SOON, recovering.stdin.close)
        async with database.read() as connection:
            assert (await connection.execute(text("select count(*) from killed"))).scalar() == 0
        await database.close()


async def test_after_the_disk_has_failed_nothing_more_is_accepted(file: Database) -> None:
    """Asked once more the kernel would say that all is well, and have forgotten what it could not write."""

    with pytest.raises(NotAccepted, match="does not work"):
        await file.write(failing_with(SQLITE_IOERR_FSYNC))
    assert file.broken.is_set()
    with pytest.raises(NotAccepted, match="has failed"):
        await put(file, "later")
    assert await marks(file) == []


async def test_a_full_disk_is_tried_again(file: Database) -> None:
    with pytest.raises(NotAccepted, match="is full"):
        await file.write(failing_with(SQLITE_FULL))
    await put(file, "later")
    assert await marks(file) == ["later"]


# A server --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """To be frozen and killed."""
    with postgres_server() as server:
        yield server


@pytest.fixture
async def remote(own_server: PostgresServer) -> AsyncIterator[Database]:
    with Databases(own_server.url_for("postgres")).fresh() as url:
        database = open_database(url)
        await upgrade(database)
        yield database
        await database.close()


async def test_a_frozen_server_is_not_waited_for(remote: Database, own_server: PostgresServer) -> None:
    await put(remote, "before")
    own_server.freeze()
    told = asyncio.gather(*(put(remote, f"n{n}", within=1.0) for n in range(12)), return_exceptions=True)
    async with asyncio.timeout(2.5):
        answers = await told
    own_server.thaw()
    assert {type(answer) for answer in answers} == {NotAccepted}
    await put(remote, "after")
    assert await marks(remote) == ["after", "before"]


async def test_a_question_to_a_frozen_server_can_be_given_up(
    remote: Database, own_server: PostgresServer
) -> None:
    await marks(remote)
    own_server.freeze()
    asked = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON):
            await marks(remote)
    assert asyncio.get_running_loop().time() - asked < 1.0
    own_server.thaw()
    assert await marks(remote) == []


async def test_what_was_under_way_when_the_server_died_is_done_when_it_is_back(
    remote: Database, own_server: PostgresServer
) -> None:
    gate = Gate()

    async def slow(connection: AsyncConnection) -> None:
        await gate(connection)
        await connection.execute(text(mark("slow")))

    writing = asyncio.create_task(remote.write(slow))
    await gate.inside.wait()
    own_server.kill()
    gate.go.set()
    own_server.start()
    await writing
    assert await marks(remote) == ["slow"]


async def test_a_server_that_is_away_is_not_waited_for_longer_than_asked(
    remote: Database, own_server: PostgresServer
) -> None:
    own_server.kill()
    with pytest.raises(NotAccepted):
        await put(remote, "meanwhile", within=SOON)
    own_server.start()
    await put(remote, "after")
    assert await marks(remote) == ["after"]


async def test_a_server_that_dies_while_it_commits_leaves_it_open(
    remote: Database, own_server: PostgresServer
) -> None:
    await put(remote, "before")
    event.listen(Engine, "commit", lambda _: own_server.kill(), once=True)
    with pytest.raises(CommitUnknown):
        await put(remote, "meanwhile")
    own_server.start()
    assert await marks(remote) == ["before"]


async def test_who_deadlocks_is_run_again(remote: Database) -> None:
    await put(remote, "a")
    await put(remote, "b")
    met = asyncio.Barrier(2)
    tries: list[str] = []

    async def both(connection: AsyncConnection, first: str, second: str) -> None:
        tries.append(first)
        await _count_up(connection, first)
        if tries.count(first) == 1:
            await met.wait()
        await _count_up(connection, second)

    another = open_database(remote.url)  # another process: one writes all that waits in one transaction
    await asyncio.gather(
        remote.write(lambda connection: both(connection, "a", "b")),
        another.write(lambda connection: both(connection, "b", "a")),
    )
    await another.close()
    async with remote.read() as connection:
        epochs = (await connection.execute(text("select epoch from leases"))).scalars().all()
    assert (epochs, len(tries)) == ([3, 3], 3)


async def _count_up(connection: AsyncConnection, name: str) -> None:
    one = update(leases).where(leases.c.name == name)
    await connection.execute(one.values(epoch=leases.c.epoch + 1))


async def test_a_process_that_stops_in_a_transaction_does_not_hold_up_the_others(remote: Database) -> None:
    """The server ends its connection; when it wakes up, its change is made again."""
    store = await open_store(remote, FRONT, T0)
    run = await ask(store)
    gate = Gate()
    stopped = asyncio.create_task(remote.write(moving(gate)))
    await gate.inside.wait()
    await store.append(run, happened(E.CANCELLED, T0, ANA.id))
    gate.go.set()
    await stopped
    assert await rows(store, "select progress, state from runs") == [{"progress": {}, "state": "cancelled"}]
