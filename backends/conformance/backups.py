"""Tries a backend that saves something of its own, for a backup that the clock takes."""

from dataclasses import replace

import pytest

from backends.conformance.harness import (
    INSTALLATION,
    World,
    carried_out,
    dropping,
    kept,
    saving,
    work_for,
)
from bot.clock import utc_now
from bot.contract import Executor, Fate, Taken, Work, content_of
from bot.model import Do, Goal


class BackupContract:
    """Part of the contract of an executor, whose fixtures it uses."""

    @pytest.fixture
    def backing_up(self, executor: Executor, work: Work) -> Work:
        """Returns what saves a backup: it stands for itself, and no restore comes after it."""
        if not executor.capabilities.backs_up:
            pytest.skip("this backend saves nothing of its own")
        return replace(work, run_id="BK-7", op_id=f"{INSTALLATION}.BK-7.3", is_backup=True)

    async def test_a_backup_is_listed_with_its_content_and_changes_nothing(
        self, world: World, executor: Executor, backing_up: Work
    ) -> None:
        before, known = world.live(), {point.id for point in (await executor.points()).points}
        saved = await kept(executor, backing_up)
        assert saved is not None
        new = [point for point in (await executor.points()).points if point.id not in known]
        assert [point.id for point in new] == [saved.id]
        assert saved.fingerprint == await content_of(executor, new[0])
        assert (world.live(), world.effects()) == (before, 0)

    async def test_a_backup_is_taken_once_and_found_by_whoever_looks(
        self, world: World, executor: Executor, backing_up: Work
    ) -> None:
        saved = await kept(executor, backing_up)
        found = await world.executor().find(saving(backing_up))
        assert (found.fate, found.made) == (Fate.DONE, saved)
        assert await executor.start(saving(backing_up)) is Taken.TAKEN

    async def test_the_next_backup_is_another_one_and_the_first_can_go(
        self, world: World, executor: Executor, backing_up: Work
    ) -> None:
        first = await kept(executor, backing_up)
        second = await kept(executor, replace(backing_up, run_id="BK-8", op_id=f"{INSTALLATION}.BK-8.3"))
        assert first is not None
        assert second is not None
        assert first.id != second.id
        if Do.SAVE in executor.capabilities.drops:
            await carried_out(executor, dropping(backing_up, undo=first))
            assert first.id not in {point.id for point in (await executor.points()).points}
        assert second.id in {point.id for point in (await executor.points()).points}

    async def test_going_to_a_backup_brings_back_exactly_what_was(
        self, world: World, executor: Executor, work: Work, backing_up: Work
    ) -> None:
        before, saved = world.live(), await kept(executor, backing_up)
        assert saved is not None
        await carried_out(executor, work)
        back = work_for(await executor.plan(Goal(point=saved.id), utc_now()), run="RB-43")
        await carried_out(executor, back)
        assert (world.live(), world.effects()) == (before, 2)
