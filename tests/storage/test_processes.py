"""Which processes are known to be there."""

from dataclasses import replace

from bot.processes import LiveProcess
from storage.database import Database
from storage.processes import ProcessStore
from tests.bot.stories import later

WORKER = LiveProcess("a", "db1:7", "worker", "main", "1.0", "aaaa0000", {"shop": "1"}, later(0), later(0))
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
