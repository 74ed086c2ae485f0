"""A rollback from the request to the result, and who has to agree."""

import asyncio

from tests.handlers.conftest import Open
from tests.handlers.world import World


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
