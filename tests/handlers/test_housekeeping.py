"""A worker clears out of its spool what runs that are over have left there, and nothing else."""

from datetime import timedelta
from pathlib import Path

import structlog

from backends.programs import clearing, supervisor
from handlers.housekeeping import CUT_OFF, KEPT_FOR, Housekeeping
from storage.claims import Claims
from storage.restored import RestoredStore
from tests.handlers.conftest import Open
from tests.handlers.world import STANDARD, World

A_MOMENT = timedelta(seconds=1)


def housekeeping(world: World) -> Housekeeping:
    return Housekeeping(spool(world), world.store.installation, Claims(world.store), world.clock)


def spool(world: World) -> Path:
    return world.folder / "state" / "spool"


def left(world: World) -> list[str]:
    return sorted(clearing.operations(spool(world), world.store.installation))


async def restored(world: World) -> None:
    await world.asks()
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")


async def test_what_a_run_has_left_goes_seven_days_after_its_end(world: World) -> None:
    await restored(world)
    name = (spool(world) / "name").read_bytes()
    world.clock.turn(KEPT_FOR - timedelta(minutes=1))
    await housekeeping(world).tidy()
    assert left(world) == [(await world.run()).id]
    world.clock.turn(timedelta(minutes=1) + A_MOMENT)
    await housekeeping(world).tidy()
    assert left(world) == []
    assert (spool(world) / "name").read_bytes() == name


async def test_what_an_open_run_has_begun_stays_however_old_it_is(open_world: Open) -> None:
    world = await open_world(STANDARD)
    world.backend.will("fail")
    await world.asks()
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("paused")
    world.clock.turn(100 * KEPT_FOR)
    await housekeeping(world).tidy()
    assert left(world) == [run.id]


async def test_what_was_cut_off_stays_and_that_is_said_once(world: World) -> None:
    await restored(world)
    [folder] = spool(world).glob("*.RB-*")
    (folder / "1" / supervisor.ENDED).unlink()
    world.clock.turn(KEPT_FOR + A_MOMENT)
    tidying = housekeeping(world)
    with structlog.testing.capture_logs() as logs:
        await tidying.tidy()
        await tidying.tidy()
    assert [(entry["op"], entry["why"]) for entry in logs if "why" in entry] == [(folder.name, CUT_OFF)]
    assert folder.exists()


async def test_what_cannot_be_removed_is_said_once_and_keeps_no_other(world: World) -> None:
    await restored(world)
    [folder] = spool(world).glob("*.RB-*")
    stray = spool(world) / f"{clearing.GOING}x"
    stray.write_text("a file where a folder should be")
    world.clock.turn(KEPT_FOR + A_MOMENT)
    tidying = housekeeping(world)
    with structlog.testing.capture_logs() as logs:
        await tidying.tidy()
        await tidying.tidy()
    assert [entry["op"] for entry in logs if "why" in entry] == ["x"]
    assert not folder.exists()


async def test_a_worker_tidies_by_itself(world: World) -> None:
    await restored(world)
    world.clock.turn(KEPT_FOR + A_MOMENT)
    await world.bot.stop()
    await world.start()
    await world.until(lambda: not left(world), "the spool to be tidied")


async def test_a_database_that_was_put_back_says_of_no_run_that_it_is_over(world: World) -> None:
    await restored(world)
    world.clock.turn(KEPT_FOR + A_MOMENT)
    installation = world.store.installation
    claims = Claims(RestoredStore(world.store.database, installation, None))
    await Housekeeping(spool(world), installation, claims, world.clock).tidy()
    assert len(left(world)) == 1
