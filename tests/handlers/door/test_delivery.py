import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError

from bot.errors import StaleRun, UserError
from handlers.door.admission import Turned
from handlers.door.delivery import Delivery, TurnedAway, delivery_of, key_of
from storage.database import CommitUnknown, NotAccepted
from storage.runs import Store
from storage.transaction import Transaction
from tests.handlers.door.test_shapes import COMMAND, MENTION, PRESS, SUBMISSION, WELL


class _Store:
    """Takes its time for a change, then does it or says `problem`."""

    def __init__(self, problem: Exception | None = None, takes: float = 0.0) -> None:
        self.changed = 0
        self.within: float | None = None
        self._problem = problem
        self._takes = takes

    async def change(self, work: Callable[[Transaction], Awaitable[Any]], within: float | None = None) -> str:
        self.within = within
        await asyncio.sleep(self._takes)
        if self._problem is not None:
            raise self._problem
        self.changed += 1
        return "changed"


async def done(_: Transaction) -> str:
    return "done"


def delivery(left: float = 5.0, *, brake: bool = False, turned: Turned | None = None) -> Delivery:
    return Delivery("key", brake, asyncio.get_running_loop().time() + left, turned)


async def changed_by(one: Delivery, store: _Store) -> object:
    async with one:
        return await one.change(cast(Store, store), done)


async def test_what_the_door_turned_away_reads_nothing() -> None:
    with pytest.raises(TurnedAway, match="NOT accepted, nothing will run: more is coming in"):
        async with delivery(turned=Turned.FULL):
            raise AssertionError("it was looked at")


async def test_reading_that_takes_too_long_is_given_up() -> None:
    one = delivery(0.01)
    with pytest.raises(TurnedAway, match="did not answer in time"):
        async with one:
            await asyncio.Event().wait()
    assert one.turned is Turned.LATE


async def test_a_change_is_told_how_long_it_may_take() -> None:
    store = _Store()
    await changed_by(delivery(5.0), store)
    assert store.within is not None
    assert 4.0 < store.within <= 5.0


async def test_a_change_that_was_begun_is_not_cut_short() -> None:
    store = _Store(takes=0.05)
    assert await changed_by(delivery(0.01), store) == "changed"
    assert store.changed == 1


async def test_after_a_change_that_lost_a_race_reading_has_its_limit_again() -> None:
    async def lose_and_read() -> None:
        async with delivery(0.05) as one:
            with pytest.raises(StaleRun):
                await one.change(cast(Store, _Store(StaleRun("RB-1"))), done)
            await asyncio.Event().wait()

    reading = asyncio.create_task(lose_and_read())
    await asyncio.wait({reading}, timeout=5.0)
    assert isinstance(reading.exception(), TurnedAway)


@pytest.mark.parametrize(
    ("problem", "turned", "words"),
    [
        (NotAccepted("locked"), Turned.DATABASE, "NOT accepted, nothing will run: the bot's database"),
        (OperationalError("select", {}, Exception()), Turned.DATABASE, "NOT accepted, nothing will run"),
        (CommitUnknown(), Turned.UNKNOWN, "It is not known yet whether this was accepted"),
    ],
)
async def test_what_the_database_says_is_said_in_our_words(
    problem: Exception, turned: Turned, words: str
) -> None:
    one = delivery()
    with pytest.raises(TurnedAway) as told:
        await changed_by(one, _Store(problem))
    assert str(told.value).startswith(words)
    assert one.turned is turned


async def test_a_brake_that_was_not_accepted_does_not_promise_that_nothing_runs() -> None:
    with pytest.raises(TurnedAway, match=r"^NOT accepted, nothing was changed: "):
        async with delivery(brake=True, turned=Turned.QUOTA):
            pass


async def test_a_refusal_of_ours_passes_as_it_is() -> None:
    one = delivery()
    with pytest.raises(UserError, match="no such run"):
        async with one:
            raise UserError("no such run")
    assert one.turned is None


async def test_a_delivery_ends_before_slack_gives_up() -> None:
    async def read(one: Delivery) -> None:
        async with one:
            await asyncio.Event().wait()

    with pytest.raises(TurnedAway):
        await read(delivery_of(COMMAND, asyncio.get_running_loop().time() - 3.0, None))


def test_the_same_payload_has_the_same_key_and_others_have_others() -> None:
    keys = [key_of(payload) for payload in WELL]
    assert keys == [key_of(dict(payload)) for payload in WELL]
    assert len({key_of(payload) for payload in (COMMAND, PRESS, SUBMISSION, MENTION)}) == 4


def test_a_key_fits_its_column() -> None:
    assert len(key_of({**MENTION, "event_id": "E" * 1_000})) == 255
