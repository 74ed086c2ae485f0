"""A bot that is told to end follows what runs in its spool for a while, and gives back the rest."""

import asyncio

import structlog

from bot.clock import SteadyClock
from bot.model import State
from bot.run import Run, StepState
from storage.claims import Claims
from storage.database import open_database, sqlite_url
from storage.runs import open_store
from tests.handlers.world import PATIENCE, World


async def restoring(world: World) -> None:
    await world.asks()
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")


async def stored(world: World) -> Run:
    """Returns the newest run as the bot has left it, and that nobody holds its claim."""
    database = open_database(sqlite_url(world.folder / "state" / "rollback.db"))
    try:
        store = await open_store(database, None, SteadyClock()())
        run = await store.load((await store.summaries(limit=1))[0].id)
        if not run.state.final:
            assert (await Claims(store).due(world.clock())).runs == (run.id,)
        return run
    finally:
        await database.close()


async def test_what_ends_while_it_drains_is_carried_to_the_end(world: World) -> None:
    await restoring(world)
    with structlog.testing.capture_logs() as logs:
        stopping = asyncio.create_task(world.bot.stop(PATIENCE))
        await world.until(lambda: [e for e in logs if "followed" in e["event"]], "it to drain")
        world.backend.no_longer("hang")
        await stopping
    assert (await stored(world)).state is State.SUCCEEDED
    await world.start()
    assert world.backend.restored == ["v41"]


async def test_what_goes_on_for_longer_is_given_back_and_found_by_the_next(world: World) -> None:
    await restoring(world)
    with structlog.testing.capture_logs() as logs:
        await world.bot.stop(0.1)
    [given] = [entry for entry in logs if entry["event"] == "given back"]
    run = await stored(world)
    record = next(record for record in run.work.steps if record.state is StepState.STARTED)
    assert (given["run"], given["spool"]) == (run.id, record.place)
    world.backend.no_longer("hang")
    await world.start()
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_nothing_new_is_taken_while_it_drains(world: World) -> None:
    await restoring(world)
    worker = world.bot.worker
    assert worker is not None
    stopping = asyncio.create_task(worker.stop(PATIENCE))
    await asyncio.sleep(0)
    await worker.take_look(1)
    await worker.take_run("RB-2")
    assert list(worker._tasks) == [(await world.run()).id]
    world.backend.no_longer("hang")
    await stopping
