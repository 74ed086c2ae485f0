"""A backend in trouble must do nothing, and say so. This is part of the contract of an executor.

A world that can be brought into trouble says so, see `TroubledWorld`; others skip these tests, with the
reason.
"""

import asyncio
import os
from dataclasses import replace

import pytest

from backends.conformance.harness import (
    SHORT_SECONDS,
    ElsewhereWorld,
    Plight,
    SlowWorld,
    TroubledWorld,
    World,
    carried_out,
)
from bot.clock import utc_now
from bot.contract import Busy, Closes, Executor, Fate, Taken, Work
from bot.errors import PermanentError, TemporaryError
from bot.model import Goal, Left

REFUSES = {Plight.AWAY: (PermanentError, TemporaryError), Plight.BUSY: (Busy,)}


class TroubleContract:
    @pytest.mark.parametrize("plight", REFUSES)
    async def test_in_trouble_nothing_is_done_and_the_same_operation_can_be_started_after_it(
        self, world: World, executor: Executor, work: Work, plight: Plight
    ) -> None:
        before, there = world.live(), world.holds(work.point)
        with _in(world, plight).troubled(plight) as met, pytest.raises(REFUSES[plight]):
            await met.start(work)
        assert (world.live(), world.effects()) == (before, 0)
        assert (await executor.find(work)).fate is Fate.ABSENT
        assert await carried_out(executor, work) is not Taken.TAKEN
        assert (world.live(), world.effects()) == (there, 1)

    async def test_a_backend_that_is_away_is_neither_listed_nor_planned_for(
        self, world: World, work: Work
    ) -> None:
        with _in(world, Plight.AWAY).troubled(Plight.AWAY) as met:
            with pytest.raises(REFUSES[Plight.AWAY]):
                await met.points()
            with pytest.raises(REFUSES[Plight.AWAY]):
                await met.plan(Goal(point=work.point), utc_now())

    async def test_a_backend_that_does_not_answer_holds_nobody_up(
        self, world: World, executor: Executor
    ) -> None:
        with _in(world, Plight.SILENT).troubled(Plight.SILENT) as met:
            asked = asyncio.ensure_future(met.points())
            answered, _ = await asyncio.wait({asked}, timeout=SHORT_SECONDS)
            assert not answered
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
        assert (await executor.points()).points

    async def test_an_executor_that_is_closed_has_left_nothing_open(self, executor: Executor) -> None:
        if not isinstance(executor, Closes):
            pytest.skip("this backend holds nothing open")
        before = len(os.listdir("/proc/self/fd"))
        await executor.points()
        await executor.close()
        assert len(os.listdir("/proc/self/fd")) <= before

    async def test_what_is_cancelled_in_the_middle_has_left_what_was_said_before(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        promised = executor.capabilities.cancels
        if promised is None:
            pytest.skip("a restore of this backend cannot be cancelled")
        assert isinstance(world, SlowWorld), "whoever can be cancelled needs a world that is slow"
        before, slow = world.live(), world.slow()
        begun = replace(work, handle=_handle(await slow.start(work)))
        assert await slow.cancel(begun) is promised
        found = await slow.find(begun)
        assert found.fate in {Fate.FAILED, Fate.UNKNOWN}
        if promised is Left.BEFORE:
            assert (world.live(), world.effects(), found.left) == (before, 0, promised)
        assert await executor.start(work) is Taken.TAKEN

    async def test_what_was_done_on_another_machine_is_never_absent(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        if executor.place is None:
            pytest.skip("op ids are taken at the backend itself: every machine sees them")
        assert isinstance(world, ElsewhereWorld), "where a place counts, the world has another one"
        await carried_out(executor, work)
        found = await world.elsewhere().find(replace(work, place=executor.place))
        assert found.fate in {Fate.DONE, Fate.UNKNOWN}


def _in(world: World, plight: Plight) -> TroubledWorld:
    if not isinstance(world, TroubledWorld) or plight not in world.plights:
        pytest.skip(f"this world cannot be brought into this trouble: {plight}")
    return world


def _handle(begun: object) -> dict[str, object]:
    assert isinstance(begun, dict), "a slow restore goes on after it was started"
    return begun
