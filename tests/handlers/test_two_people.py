"""A rollback from the request to the result, and who has to agree."""

import asyncio

from tests.handlers.conftest import Open
from tests.handlers.world import PATIENCE, World


async def test_a_request_that_a_second_person_approves_is_carried_out_and_verified(world: World) -> None:
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]
    assert run.work.verdict == "passed"
    assert "is back at v41, not looked at online" in world.card().splitlines()[0]


async def test_the_same_over_signed_http(open_world: Open) -> None:
    world = await open_world(mode="http")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_two_people_approving_at_once_roll_back_once(world: World) -> None:
    await world.asks("ana")
    await asyncio.gather(world.clicks("ben", "Approve and start"), world.clicks("cy", "Approve and start"))
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_since_when_and_by_which_run_something_is_live_is_kept(world: World) -> None:
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    assert run.end.at is not None

    lived = await world.store.lived("shop")
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while len(lived) < 2 and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
        lived = await world.store.lived("shop")
    assert [(each.point, each.run) for each in lived] == [("v42", None), ("v41", run.id)]
