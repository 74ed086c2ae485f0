"""A full disk, a disk that fails, a clock that jumps: said at once, and right again afterwards."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import open_database, sqlite_url
from storage.integrity import damage_of
from tests.faults.faulty import COMPILER, NO_COMPILER, FaultyWorld, compiled
from tests.handlers.world import STANDARD

pytestmark = pytest.mark.skipif(COMPILER is None, reason=NO_COMPILER)

AN_HOUR = 3_600
STOPS_WITHIN = 10.0  # seconds
SOON = STANDARD.replace("approval: {{from: [managers]}}", "approval: {{from: [managers], expires: 4s}}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("machine"))


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, template: Path, library: Path
) -> AsyncIterator[FaultyWorld]:
    world = FaultyWorld(tmp_path, library=library)
    await world.open(getattr(request, "param", STANDARD), template)
    yield world
    await world.close()


async def damage(world: FaultyWorld) -> str | None:
    database = open_database(sqlite_url(world.folder / "state" / "rollback.db"))
    try:
        return await damage_of(database)
    finally:
        await database.close()


# A full disk -----------------------------------------------------------------------------------


async def test_on_a_full_disk_a_request_is_not_accepted_and_later_it_is(world: FaultyWorld) -> None:
    world.breaks("full")
    refused = await world.says("ana", "shop to v41")
    assert "NOT accepted, nothing will run" in str(refused.text)
    assert await world.store.summaries() == ()
    world.mends("full")
    await world.says("ana", "shop to v41")
    await world.read_card()
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]
    assert await damage(world) is None


async def test_on_a_full_disk_an_approval_starts_nothing(world: FaultyWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.read_card()
    world.breaks("full")
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", "NOT accepted")
    assert (await world.run()).approval.given == ()
    assert world.backend.effects == []
    world.mends("full")
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_a_disk_that_fills_during_a_restore_loses_and_repeats_nothing(world: FaultyWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.read_card()
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    world.breaks("full")
    world.backend.no_longer("hang")
    await world.until(lambda: world.backend.current == "v41", "the end of the restore")
    assert not (await world.run()).state.final
    world.mends("full")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]
    assert await damage(world) is None


# A disk that fails -----------------------------------------------------------------------------


async def test_what_could_not_be_made_durable_is_said_to_be_in_doubt_and_is_right_after_a_restart(
    world: FaultyWorld,
) -> None:
    """The kernel may still hold it in memory: it can turn up after all, so nobody is told "not accepted"."""
    world.breaks("fsync")
    answer = await world.says("ana", "shop to v41")
    assert "It is not known yet whether this was accepted" in str(answer.text)
    assert world.backend.effects == []
    await world.kill()
    world.mends("fsync")
    await world.comes_back()
    if not await world.store.open_runs():
        await world.says("ana", "shop to v41")
    await world.read_card()
    assert len(await world.store.summaries()) == 1
    assert await damage(world) is None


async def test_a_bot_whose_disk_has_failed_stops_by_itself(world: FaultyWorld) -> None:
    """What the kernel still holds in memory may never reach the disk, so nothing after it can be believed."""
    world.breaks("fsync")
    await world.says("ana", "shop to v41")
    assert await asyncio.wait_for(world.process.wait(), STOPS_WITHIN) == 3


async def test_no_bot_starts_on_a_disk_that_fails(world: FaultyWorld) -> None:
    """What stood only in the log of the one before is written again, and has to stay."""
    await world.says("ana", "shop to v41")
    await world.reading.database.close()  # whoever closes it last would empty the log
    await world.kill()
    world.breaks("fsync")
    serve = (sys.executable, "-m", "handlers.cli", "serve")
    environment = {**os.environ, **world.environment()}
    process = await asyncio.create_subprocess_exec(*serve, env=environment, stdout=PIPE, stderr=PIPE)
    said, complained = await asyncio.wait_for(process.communicate(), STOPS_WITHIN)
    assert (process.returncode, said) == (3, b"")
    assert complained.startswith(b"The disk of the database has failed")


# A clock that jumps ----------------------------------------------------------------------------


@pytest.mark.parametrize("world", [SOON], indirect=True)
async def test_a_clock_that_is_set_back_gives_nobody_more_time(world: FaultyWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.read_card()
    world.turns_clock(-AN_HOUR)
    await world.is_overdue()
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", "could be approved until")
    assert (await world.run()).approval.given == ()
    assert world.backend.effects == []


@pytest.mark.parametrize("world", [SOON], indirect=True)
async def test_requests_end_in_time_after_a_clock_was_set_back(world: FaultyWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.read_card()
    world.turns_clock(-AN_HOUR)
    await world.is_overdue()
    await asyncio.wait_for(world.reaches("expired"), STOPS_WITHIN)


@pytest.mark.parametrize("world", [SOON], indirect=True)
async def test_not_even_when_the_bot_is_started_again_meanwhile(world: FaultyWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.read_card()
    world.turns_clock(-AN_HOUR)
    await world.kill()
    await world.comes_back()
    await world.reaches("expired")
    assert world.backend.effects == []


async def test_a_clock_that_is_set_forward_only_ends_requests_early(world: FaultyWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.read_card()
    world.turns_clock(AN_HOUR)
    await world.reaches("expired")
    assert world.backend.effects == []


async def test_after_a_jump_forward_and_back_the_bot_still_works(world: FaultyWorld) -> None:
    world.turns_clock(AN_HOUR)
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    await world.shows("Approve")
    world.turns_clock(0)
    await world.approves()
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]
