"""What only one process may do: one holder at a time, and none for ever."""

import asyncio
from datetime import timedelta

import pytest

from storage.database import Database, open_database
from storage.leases import Leases
from tests.bot.stories import T0, later

LEASE = timedelta(seconds=15)
OVER = T0 + LEASE + timedelta(milliseconds=1)


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


async def test_of_many_at_once_one_holds_it(leases: Leases, url: str) -> None:
    beside = open_database(url)
    both = [leases, Leases(beside)]
    epochs = await asyncio.gather(*(both[n % 2].take("publisher", f"p{n}", T0, LEASE) for n in range(10)))
    await beside.close()
    assert sorted(epochs, key=str) == [1, *[None] * 9]


async def test_it_is_kept_by_who_renews_it(leases: Leases) -> None:
    assert await leases.take("publisher", "a", T0, LEASE) == 1
    assert await leases.renew("publisher", 1, later(60))
    assert await leases.take("publisher", "b", OVER, LEASE) is None


async def test_a_dead_holders_lease_passes_on_when_it_is_over(leases: Leases) -> None:
    await leases.take("publisher", "a", T0, LEASE)
    assert await leases.take("publisher", "b", T0 + LEASE, LEASE) is None
    assert await leases.take("publisher", "b", OVER, LEASE) == 2


async def test_who_lost_it_cannot_renew_it(leases: Leases) -> None:
    await leases.take("publisher", "a", T0, LEASE)
    await leases.take("publisher", "b", OVER, LEASE)
    assert not await leases.renew("publisher", 1, later(99))
    assert await leases.renew("publisher", 2, later(99))


async def test_what_was_given_back_may_be_taken_at_once(leases: Leases) -> None:
    await leases.take("publisher", "a", T0, LEASE)
    await leases.give_back("publisher", 1)
    assert not await leases.renew("publisher", 1, later(99))
    assert await leases.take("publisher", "b", T0, LEASE) == 2


async def test_who_lost_it_cannot_give_it_back(leases: Leases) -> None:
    await leases.take("publisher", "a", T0, LEASE)
    await leases.take("publisher", "b", OVER, LEASE)
    await leases.give_back("publisher", 1)
    assert await leases.take("publisher", "c", OVER, LEASE) is None


async def test_each_name_is_held_for_itself(leases: Leases) -> None:
    assert await leases.take("publisher", "a", T0, LEASE) == 1
    assert await leases.take("clock", "b", T0, LEASE) == 1
