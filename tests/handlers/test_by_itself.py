"""Drills that start by themselves: announced before, put off by whoever owns the target, begun once."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.duties import Duty
from bot.model import THE_SCHEDULE
from handlers.slack.reminding import start_due
from tests.handlers.conftest import Open
from tests.handlers.test_drills import back_up, make_orders
from tests.handlers.test_reminders import HOURS, TO_A_CHANNEL, in_channel, reminded, ticks
from tests.handlers.world import PATIENCE, World
from tests.people import CHANNEL

ALL_DAY = 'start: {{itself: true, hours: {{from: "00:00", until: "23:59"}}}}'
ITSELF = TO_A_CHANNEL.replace("every: 90d", f"every: 90d, {ALL_DAY}")


@pytest.fixture
async def due(open_world: Open, tmp_path: Path) -> World:
    """The drill of `orders` is due, and was told in the channel of its owner."""
    make_orders(tmp_path)
    back_up(tmp_path, 5, 10)
    world = await open_world(ITSELF + HOURS)
    await in_channel(world)
    return world


def announced(world: World) -> bool:
    return any("starts by itself from" in m.plain() for m in world.workspace.messages(CHANNEL))


async def starts(world: World) -> None:
    """Once it is known in which message each was told: people see one a moment before."""
    context = world.front.context
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while any([await unknown(world, duty) for duty in await context.duties.all()]):
        assert asyncio.get_running_loop().time() < deadline, "nobody knows where it was told"
        await asyncio.sleep(0.01)
    await start_due(context)


async def unknown(world: World, duty: Duty) -> bool:
    card = await world.front.context.cards.by_key(duty.card) if duty.card else None
    return card is not None and card.ts is None


async def test_it_is_announced_and_starts_on_the_next_day_and_nobody_asks(due: World) -> None:
    message = await in_channel(due)
    assert "starts by itself from" in message.plain()
    assert [label for label, *_ in message.buttons()] == ["Start now", "Not now…", "Hand over…"]
    await starts(due)
    assert await due.store.summaries() == ()
    due.later(days=2)
    await starts(due)
    run = await due.reaches("succeeded", "RB-1")
    assert run.request.requester == THE_SCHEDULE
    assert run.approval.given == ()
    assert "the schedule asked" in await due.shows("came back on a copy, verified")


async def test_processes_that_tick_at_once_start_it_once(due: World) -> None:
    due.later(days=2)
    await asyncio.gather(*(starts(due) for _ in range(8)))
    await due.reaches("succeeded", "RB-1")
    assert len(await due.store.summaries()) == 1


async def test_it_does_not_start_where_somebody_has_put_it_off(due: World) -> None:
    await due.clicks("dora", "Not now…", await in_channel(due))
    await due.sees_modal("dora", "at the latest")
    day = (due.clock() + timedelta(days=20)).date().isoformat()
    await due.fills_in("dora", until=day, reason="quarter end")
    due.later(days=2)
    await starts(due)
    assert await due.store.summaries() == ()


async def test_what_was_drilled_while_the_form_was_open_is_put_off_no_more(due: World) -> None:
    await due.clicks("dora", "Not now…", await in_channel(due))
    await due.sees_modal("dora", "at the latest")
    due.later(days=2)
    await starts(due)
    await due.reaches("succeeded", "RB-1")
    day = (due.clock() + timedelta(days=20)).date().isoformat()
    sent = await due.fills_in("dora", until=day, reason="quarter end")
    assert "not due any more" in str(sent.errors)


async def test_whoever_takes_it_over_is_told_before_it_starts(due: World) -> None:
    await due.clicks("dora", "Hand over…", await in_channel(due))
    await due.sees_modal("dora", "Who is reminded instead")
    await due.fills_in("dora", to="U01CY")
    due.later(days=2)
    await starts(due)
    assert await due.store.summaries() == ()
    await ticks(due)
    assert "starts by itself from" in (await reminded(due, "1 drill is due", "cy")).plain()


async def test_it_does_not_start_beside_another_one(due: World) -> None:
    message = await in_channel(due)
    due.later(days=2)
    await due.clicks("dora", "Start now", message)
    await starts(due)
    await due.reaches("succeeded", "RB-1")
    assert len(await due.store.summaries()) == 1


async def test_what_it_had_to_show_is_shown_and_it_is_due_again_after_its_time(due: World) -> None:
    due.later(days=2)
    await starts(due)
    await due.reaches("succeeded", "RB-1")
    due.later(days=8)
    await ticks(due)
    await starts(due)
    assert len(await due.store.summaries()) == 1


async def test_one_that_failed_is_told_again_and_starts_again_after_that(due: World) -> None:
    for old in (due.folder / "backups").glob("*.db"):
        old.unlink()
    back_up(due.folder, 3, -7)
    due.later(days=2)
    await starts(due)
    await due.reaches("failed", "RB-1")
    due.later(days=2)
    await starts(due)
    assert len(await due.store.summaries()) == 1
    message = await in_channel(due)
    assert "RB-1 started by itself" in message.plain()
    assert "Start now" in [label for label, *_ in message.buttons()]
    due.later(days=5)
    await ticks(due)
    await due.until(partial(announced, due), "the next announcement")
    due.later(days=2)
    await starts(due)
    assert (await due.run("RB-2")).request.by_itself


async def test_a_request_of_nobody_without_a_signature_is_none(due: World) -> None:
    due.later(days=2)
    due.front.context.store._signer = None
    await starts(due)
    run = await due.reaches("refused", "RB-1")
    assert "no valid signature" in run.why


async def test_one_that_is_refused_is_not_asked_for_again_at_every_tick(due: World) -> None:
    for old in (due.folder / "backups").glob("*.db"):
        old.unlink()
    due.later(days=2)
    await starts(due)
    await due.reaches("refused", "RB-1")
    await starts(due)
    assert len(await due.store.summaries()) == 1
