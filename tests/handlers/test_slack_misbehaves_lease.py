"""One publisher at a time: whose turn it is not says nothing, and whose turn it becomes makes all true."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.event_kinds import EventKind as E
from tests.handlers.publishing import Publishing, publishing
from tests.people import ANA
from tests.storage.told import tell


class Lease:
    """Mine until so many more questions were asked."""

    def __init__(self) -> None:
        self.left = 10**9

    async def is_mine(self) -> bool:
        self.left -= 1
        return self.left >= 0


@pytest.fixture
def lease() -> Lease:
    return Lease()


@pytest.fixture
async def alone(tmp_path: Path, template: Path, lease: Lease) -> AsyncIterator[Publishing]:
    async with publishing(tmp_path, template, lease.is_mine) as made:
        yield made


async def test_in_the_middle_of_a_round_it_stops_as_soon_as_its_turn_is_over(
    alone: Publishing, lease: Lease
) -> None:
    runs = await alone.asked(10)
    for run in runs:
        await tell(alone.store, run, E.CANCELLED, ANA)
    lease.left = 4
    await alone.publisher.round()
    assert sum("Cancelled" in card.plain() for card in alone.cards()) <= 4


async def test_whose_turn_it_becomes_makes_everything_true(alone: Publishing, lease: Lease) -> None:
    (run,) = await alone.asked(1)
    await tell(alone.store, run, E.CANCELLED, ANA)
    lease.left = 0
    for _ in range(5):
        await alone.publisher.round()
        alone.clock.turn(1)
    assert "Cancelled" not in alone.cards()[0].plain()
    lease.left = 10**9
    await alone.until_shown()
    assert "Cancelled" in alone.cards()[0].plain()
    assert len(alone.cards()) == 1
