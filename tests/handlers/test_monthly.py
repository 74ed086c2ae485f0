"""The message that managers get once a month, where the configuration says in which channel."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from handlers.slack.reminding import digest_due
from tests.handlers.conftest import Open
from tests.handlers.test_drills import back_up, make_orders
from tests.handlers.test_reminders import HOURS, REMINDED
from tests.handlers.world import World
from tests.people import CHANNEL

MONTHLY = f"monthly: {{{{to: {CHANNEL}}}}}\n"


@pytest.fixture
async def told(open_world: Open, tmp_path: Path) -> World:
    """One drill has passed, another has failed, in the month of the clock."""
    make_orders(tmp_path)
    good, bad = back_up(tmp_path, 5, 10), back_up(tmp_path, 3, -7)
    world = await open_world(REMINDED + HOURS + MONTHLY)
    for point, state in ((good, "succeeded"), (bad, "failed")):
        await world.says("ana", f"drill orders {point}")
        await world.reaches(state)
    return world


def next_month(now: datetime) -> datetime:
    return (now.replace(day=1, hour=12) + timedelta(days=32)).replace(day=1)


async def ticks(world: World, day: int = 1) -> None:
    now = world.clock()
    world.later(seconds=(next_month(now).replace(day=day) - now).total_seconds())
    await digest_due(world.front.context)


def digests(world: World) -> list[str]:
    return [m.plain() for m in world.workspace.messages(CHANNEL) if "rollbacks and drills" in m.plain()]


async def test_the_month_before_is_told_with_what_is_left_to_do(told: World) -> None:
    name = f"{told.clock():%B %Y}"
    await ticks(told)
    await told.until(lambda: digests(told), "a digest")
    (digest,) = digests(told)
    assert name in digest
    assert "2 drills: 1 ended well, 1 FAILED" in digest
    assert "rollbacks:" not in digest.replace("rollbacks and drills", "")


async def test_it_is_told_once_however_many_look(told: World) -> None:
    await ticks(told)
    await asyncio.gather(*(digest_due(told.front.context) for _ in range(5)))
    await told.until(lambda: digests(told), "a digest")
    await digest_due(told.front.context)
    await told.settled()
    assert len(digests(told)) == 1


async def test_later_in_a_month_nothing_is_told_of_the_one_before(told: World) -> None:
    await ticks(told, day=8)
    assert await told.front.context.cards.of_no_run() == ()
