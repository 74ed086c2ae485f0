"""Which processes are known to be there."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.processes import LiveProcess
from storage.database import Database
from storage.processes import ProcessStore
from storage.tables import leases
from tests.bot.stories import later

WORKER = LiveProcess("a", "db1:7", "worker", "main", "1.0", "aaaa0000", {"shop": "1"}, later(0), later(0))
PLACED = replace(WORKER, place="7f3a7f3a7f3a7f3a")
FRONT = replace(WORKER, id="b", name="web:3", role="front", zone="", pins={})


async def test_a_process_is_seen_as_it_was_when_it_said_so_last(database: Database) -> None:
    processes = ProcessStore(database)
    moved = replace(WORKER, pins={"shop": "2"}, seen_at=later(5))
    for beat in (WORKER, FRONT, moved):
        await processes.beat(beat)
    assert await processes.seen(later(6)) == (moved, FRONT)


async def test_a_process_that_has_been_silent_for_more_than_15_s_is_not_seen(database: Database) -> None:
    processes = ProcessStore(database)
    await processes.beat(WORKER)
    assert await processes.seen(later(15)) == (WORKER,)
    assert await processes.seen(later(15.001)) == ()


async def test_a_process_that_said_it_has_ended_is_not_seen(database: Database) -> None:
    processes = ProcessStore(database)
    await processes.beat(WORKER)
    await processes.gone(WORKER)
    assert await processes.seen(later(0)) == ()


async def test_a_process_that_comes_after_an_hour_of_silence_forgets_the_silent(database: Database) -> None:
    processes = ProcessStore(database)
    await processes.beat(WORKER)
    await processes.beat(replace(FRONT, seen_at=later(3601)))
    assert await processes.seen(later(0)) == (replace(FRONT, seen_at=later(3601)),)


async def test_a_worker_is_seen_with_the_name_of_its_spool(database: Database) -> None:
    processes = ProcessStore(database)
    for beat in (PLACED, FRONT):
        await processes.beat(beat)
    assert await processes.seen(later(6)) == (PLACED, FRONT)


@pytest.mark.parametrize("says_so", [True, False], ids=["told to end", "killed"])
async def test_a_spool_is_left_to_its_worker_for_60_s_after_that_was_seen_last(
    database: Database, says_so: bool
) -> None:
    processes = ProcessStore(database)
    await processes.beat(PLACED)
    await processes.beat(replace(PLACED, seen_at=later(10)))
    if says_so:
        await processes.gone(PLACED)
    left = [await processes.is_left_to_its_worker(PLACED.place, "main", later(s)) for s in (0, 70, 70.001)]
    assert left == [True, True, False]


async def test_a_spool_that_nobody_had_is_left_to_nobody(database: Database) -> None:
    processes = ProcessStore(database)
    await processes.beat(PLACED)
    assert not await processes.is_left_to_its_worker("91c0", "main", later(0))


async def test_a_spool_of_another_zones_worker_is_not_waited_for(database: Database) -> None:
    processes = ProcessStore(database)
    await processes.beat(PLACED)
    assert not await processes.is_left_to_its_worker(PLACED.place, "far", later(0))


async def test_a_worker_that_was_started_again_has_its_spool_from_its_first_heartbeat_on(
    database: Database,
) -> None:
    processes = ProcessStore(database)
    again = replace(PLACED, id="c", name="db1:9", started_at=later(20), seen_at=later(20))
    await processes.beat(PLACED)
    await processes.beat(again)
    assert await processes.seen(later(20)) == (again,)
    assert await processes.is_left_to_its_worker(PLACED.place, "main", later(80))


async def test_a_spool_that_nobody_had_for_an_hour_is_forgotten(database: Database) -> None:
    processes = ProcessStore(database)
    await processes.beat(PLACED)
    await processes.beat(replace(FRONT, seen_at=later(3661)))
    async with database.read() as connection:
        assert (await connection.execute(select(leases))).all() == []
