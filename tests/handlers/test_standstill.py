"""A process whose loop answers nothing any more ends, and what it drove goes on in the next one."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from handlers.standstill import EXIT_CODE, LoopTicks, ends_when_it_stands_still
from tests.handlers.killed_world import KilledWorld
from tests.handlers.world import PATIENCE, STANDARD

SHORT_SECONDS = 0.3
TICKS_OF_A_DAY = 1_000


async def test_a_loop_that_is_held_ends_the_process_and_the_log_says_where() -> None:
    ended, codes = threading.Event(), []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    with structlog.testing.capture_logs() as logs, ends_when_it_stands_still(SHORT_SECONDS, end):
        ended.wait(PATIENCE)
    assert codes == [EXIT_CODE]
    places = [place.rpartition(" ")[2] for entry in logs for place in entry["where"]]
    assert "test_a_loop_that_is_held_ends_the_process_and_the_log_says_where" in places


async def test_a_loop_that_answers_is_never_ended() -> None:
    ticks = LoopTicks(asyncio.get_running_loop())
    assert {await asyncio.to_thread(ticks.tick) for _ in range(TICKS_OF_A_DAY)} == {0}


async def test_it_is_watched_no_longer_than_it_runs() -> None:
    before = threading.active_count()
    with ends_when_it_stands_still(SHORT_SECONDS):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


@pytest.fixture
async def world(tmp_path: Path, template: Path) -> AsyncIterator[KilledWorld]:
    world = KilledWorld(tmp_path)
    world.program = "tests.handlers.deaf_cli"
    world.surroundings = {"ROLLBACK_STANDSTILL_SECONDS": "1"}
    await world.open(STANDARD, template)
    yield world
    await world.close()


async def test_what_a_process_drove_that_stood_still_goes_on_in_the_next_one(world: KilledWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    await world.shows("Approve")
    await world.read_for_a_second()
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    world.process.send_signal(signal.SIGUSR1)
    assert await asyncio.wait_for(world.process.wait(), PATIENCE) == EXIT_CODE
    await world.reading.database.close()
    world.backend.no_longer("hang")
    await world.comes_back()
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]
