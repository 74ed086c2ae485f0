"""Slack's budget: what matters is shown first and in time, and Slack never has to say 429."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.event_kinds import EventKind as E
from bot.run import Run
from tests.handlers.publishing import Publishing, publishing
from tests.people import ANA, BEN
from tests.storage.told import tell


@pytest.fixture
async def alone(tmp_path: Path, template: Path) -> AsyncIterator[Publishing]:
    async with publishing(tmp_path, template) as made:
        yield made


def in_time(n: int) -> float:
    """Seconds within which the n-th of those that ended at once is shown."""
    return n * 1.2 + 5


async def test_a_hundred_runs_that_end_at_once_are_shown_in_time_and_within_the_budget(
    alone: Publishing,
) -> None:
    runs = await alone.asked(100)
    await asyncio.gather(*(tell(alone.store, run, E.CANCELLED, ANA) for run in runs))
    shown = await alone.seconds_until_cards_say("Cancelled", runs)
    late = [(n, at) for n, at in enumerate(shown, 1) if at > in_time(n)]
    assert late == []
    assert alone.refused_for_the_budget() == 0


@pytest.mark.parametrize("n", [10, 60])
async def test_copies_and_progress_that_were_drawn_before_leave_room_for_what_ends(
    alone: Publishing, n: int
) -> None:
    ending = await alone.asked(n, awaited=[BEN.id, "U01CY"])
    going = [await started(alone, run) for run in await alone.asked(20, of="going")]
    alone.clock.turn(120)
    for _ in range(240):  # two minutes of progress: the budget is as used as it ever will be
        await alone.publisher.round()
        alone.clock.turn(0.5)
    assert going
    await asyncio.gather(*(tell(alone.store, run, E.CANCELLED, ANA) for run in ending))
    shown = await alone.seconds_until_cards_say("Cancelled", ending)
    assert [(n, at) for n, at in enumerate(shown, 1) if at > in_time(n)] == []
    assert alone.refused_for_the_budget() == 0


async def test_a_burst_of_copies_a_moment_before_leaves_room_for_what_ends(alone: Publishing) -> None:
    before = await alone.asked(10, awaited=[BEN.id, "U01CY"], of="before")
    ending = await alone.asked(25)
    alone.clock.turn(120)
    for run in before:
        await tell(alone.store, run, E.CANCELLED, ANA)
    for _ in range(2):  # ten cards and, if nothing held them back, their twenty copies
        await alone.publisher.round()
        alone.clock.turn(0.5)
    already = sum("Cancelled" in card.plain() for card in alone.cards())
    await asyncio.gather(*(tell(alone.store, run, E.CANCELLED, ANA) for run in ending))
    shown = (await alone.seconds_until_cards_say("Cancelled", [*before, *ending]))[already:]
    assert already == len(before)
    assert [(n, at) for n, at in enumerate(shown, 1) if at > in_time(n)] == []


async def started(alone: Publishing, run: Run) -> Run:
    run = await tell(alone.store, run, E.APPROVED, BEN)
    run = await tell(alone.store, run, E.QUORUM_REACHED)
    return await tell(alone.store, run, E.STARTED, loss=None)


async def test_a_thousand_waiting_runs_cost_no_measurable_cpu(alone: Publishing) -> None:
    without = await alone.cpu_of_rounds(50)
    await alone.waiting(1000)
    assert await alone.cpu_of_rounds(50) - without < 50 * 0.005  # seconds: half a hundredth of a core
