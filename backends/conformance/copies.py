"""Tries a backend that can make a copy beside, for a restore that switches to it or to be looked into."""

from dataclasses import replace

import pytest

from backends.conformance.harness import World, carried_out, dropping, preparing
from bot.contract import Describes, Ended, Executor, Fate, PointUnavailable, StateChanged, Taken, Work
from bot.model import Beside, Do, Left, Verdict


class CopyContract:
    """Part of the contract of an executor, whose fixtures it uses."""

    @pytest.fixture
    def copying(self, executor: Executor) -> Executor:
        if Do.PREPARE not in executor.capabilities.does:
            pytest.skip("this backend makes no copy beside")
        return executor

    async def test_a_copy_beside_leaves_everything_as_before(
        self, world: World, copying: Executor, work: Work
    ) -> None:
        before = world.live()
        end = await carried_out(copying, preparing(work))
        assert isinstance(end, Ended)
        assert (end.ok, end.left, isinstance(end.made, Beside)) == (True, Left.BEFORE, True)
        assert (world.live(), world.effects()) == (before, 0)

    async def test_a_copy_that_was_made_is_found_by_anybody(
        self, world: World, copying: Executor, work: Work
    ) -> None:
        end = await carried_out(copying, preparing(work))
        assert isinstance(end, Ended)
        found = await world.executor().find(preparing(work))
        assert (found.fate, found.made) == (Fate.DONE, end.made)
        assert await copying.start(preparing(work)) is Taken.TAKEN

    async def test_no_copy_is_made_for_a_state_that_moved(
        self, world: World, copying: Executor, work: Work
    ) -> None:
        world.drifts()
        with pytest.raises(StateChanged):
            await carried_out(copying, preparing(work))

    async def test_a_copy_that_is_not_needed_any_more_is_dropped(
        self, world: World, copying: Executor, work: Work
    ) -> None:
        before, end = world.live(), await carried_out(copying, preparing(work))
        assert isinstance(end, Ended)
        assert isinstance(end.made, Beside)
        dropped = await carried_out(copying, dropping(work, prepared=end.made.id))
        assert isinstance(dropped, Ended)
        assert (dropped.ok, dropped.left) == (True, Left.BEFORE)
        assert (world.live(), world.effects()) == (before, 0)

    async def test_a_copy_is_whole_and_says_where_checks_find_it(self, copying: Executor, work: Work) -> None:
        end = await carried_out(copying, preparing(work))
        assert isinstance(end, Ended)
        assert isinstance(end.made, Beside)
        assert all(isinstance(word, str) for pair in end.made.environment.items() for word in pair)
        assert {finding.verdict for finding in await copying.verify(preparing(work))} <= {Verdict.PASSED}

    async def test_what_a_copy_holds_is_the_same_whoever_looks(
        self, world: World, copying: Executor, work: Work
    ) -> None:
        if not isinstance(copying, Describes):
            pytest.skip("this backend does not say what a copy holds")
        end = await carried_out(copying, preparing(work))
        assert isinstance(end, Ended)
        holds, other = await copying.describe(preparing(work)), world.executor()
        assert isinstance(other, Describes)
        assert await other.describe(preparing(work)) == holds
        assert isinstance(end.made, Beside)
        await carried_out(copying, dropping(work, prepared=end.made.id))
        with pytest.raises(PointUnavailable):
            await copying.describe(preparing(work))

    @pytest.fixture
    def looked_into(self, copying: Executor) -> Executor:
        if copying.capabilities.switches:
            pytest.skip("a copy of this backend is there for the restore that switches to it")
        return copying

    async def test_a_copy_that_is_only_looked_into_has_nothing_to_do_with_what_is_live(
        self, world: World, looked_into: Executor, work: Work
    ) -> None:
        world.drifts()
        drifted = world.live()
        end = await carried_out(looked_into, preparing(replace(work, expected="")))
        assert isinstance(end, Ended)
        assert (end.ok, world.live(), world.effects()) == (True, drifted, 0)

    async def test_no_restore_takes_place_that_does_not_say_what_it_replaces(
        self, world: World, looked_into: Executor, work: Work
    ) -> None:
        before = world.live()
        with pytest.raises(StateChanged):
            await carried_out(looked_into, replace(work, expected=""))
        assert (world.live(), world.effects()) == (before, 0)

    async def test_a_copy_whose_point_is_gone_is_not_begun(
        self, world: World, looked_into: Executor, work: Work
    ) -> None:
        world.loses(work.point)
        with pytest.raises((PointUnavailable, StateChanged)):
            await carried_out(looked_into, preparing(work))

    async def test_a_copy_that_was_dropped_does_not_pass_for_one_that_is_there(
        self, looked_into: Executor, work: Work
    ) -> None:
        end = await carried_out(looked_into, preparing(work))
        assert isinstance(end, Ended)
        assert isinstance(end.made, Beside)
        await carried_out(looked_into, dropping(work, prepared=end.made.id))
        assert (await looked_into.find(preparing(work))).fate is Fate.FAILED
        assert Verdict.FAILED in {finding.verdict for finding in await looked_into.verify(preparing(work))}
