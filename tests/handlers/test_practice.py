"""Approvers practise on a message that decides nothing."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import func, select

from bot.practice import YES
from handlers.slack.practising import practise_due
from storage.practices import PracticeStore
from storage.tables import evidence, run_events
from tests.handlers.conftest import Open
from tests.handlers.test_reminders import HOURS
from tests.handlers.world import STANDARD, World
from tests.people import PEOPLE
from workspace.slack.nouns import Message

TITLE = "could you decide this at 03:00?"


@pytest.fixture
async def practised(open_world: Open) -> World:
    world = await open_world(STANDARD + HOURS + "practice: {{every: 90d}}\n")
    await practise_due(world.front.context)
    return world


def shown(world: World, who: str, words: str) -> Message | None:
    return next((m for m in reversed(world.direct(who)) if words in m.plain()), None)


async def told(world: World, who: str = "ben", words: str = TITLE) -> Message:
    found = await world.until(partial(shown, world, who, words), f"a message to {who} with {words!r}")
    assert isinstance(found, Message)
    return found


async def events(world: World) -> int:
    async with world.store.database.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(run_events)) or 0)


async def test_who_has_decided_nothing_is_sent_one_message_to_practise_on(practised: World) -> None:
    message = await told(practised)
    assert [(label, action) for label, action, *_ in message.buttons()] == [
        ("Approve (practice)", "drill_yes"),
        ("Reject (practice)", "drill_no"),
    ]
    await asyncio.gather(*(practise_due(practised.front.context) for _ in range(4)))
    assert sum(TITLE in m.plain() for m in practised.direct("ben")) == 1


async def test_pressing_it_approves_nothing_and_is_kept_as_practice(practised: World) -> None:
    run = await practised.asks()
    before = await events(practised)
    await practised.clicks("ben", "Approve (practice)", await told(practised))
    await told(practised, words="you would approve")
    assert (await practised.run(run.id)).state == "awaiting_approval"
    assert await events(practised) == before
    known = await PracticeStore(practised.store).all()
    assert known[PEOPLE["ben"]].answer == YES
    async with practised.store.database.read() as connection:
        kept = select(evidence.c.by).where(evidence.c.kind == "practised")
        assert [row.by for row in await connection.execute(kept)] == [PEOPLE["ben"]]


async def test_a_real_decision_spares_the_message(open_world: Open) -> None:
    world = await open_world(STANDARD + HOURS + "practice: {{every: 90d}}\n")
    await world.asks()
    await world.clicks("ben", "Reject")
    await world.reaches("vetoed")
    await practise_due(world.front.context)
    assert PEOPLE["ben"] not in await PracticeStore(world.store).all()


async def test_the_next_one_comes_in_a_quarter_and_the_older_says_so(practised: World) -> None:
    await told(practised)
    practised.later(days=91)
    await practise_due(practised.front.context)
    await told(practised, words="a newer one counts")
    known = await PracticeStore(practised.store).all()
    assert known[PEOPLE["ben"]].silent == 1


async def test_without_the_setting_nobody_is_asked(open_world: Open) -> None:
    world = await open_world(STANDARD + HOURS)
    await practise_due(world.front.context)
    assert await PracticeStore(world.store).all() == {}
