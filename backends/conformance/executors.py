"""The contract of bot.contract as tests: whoever passes them may be trusted with a restore.

A subclass names its `World`; see harness.py for what that is.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backends.conformance.backups import BackupContract
from backends.conformance.copies import CopyContract
from backends.conformance.harness import (
    Moment,
    ReplaceableWorld,
    World,
    carried_out,
    dropping,
    kept,
    saving,
    strangers,
    work_for,
)
from backends.conformance.listing import ListingContract
from backends.conformance.troubles import TroubleContract
from bot.clock import utc_now
from bot.contract import Ended, Executor, Fate, PointUnavailable, StateChanged, Taken, Work
from bot.errors import PermanentError
from bot.model import Do, Fence, Goal, Left, RestorePoint, Verdict

# fmt: off
EVIL = (
    "../", "..", "/", "./", "~", "*", "\\", "%2e%2e/", "etc/passwd", "outside", "secret", ".rollback",
    "-", "--", "--upload-pack=", "-oProxyCommand=", "ext::", "file://", ":", "@{", "^{", "HEAD", "main",
    ";", "|", "`id`", "$(id)", "'", '"', " ", "", "\0", "\n", "\u202e", "\ud800", "é", "a" * 300, "0" * 40,
    "current", "{point}", "{op}",
)
# fmt: on
hostile_names = st.one_of(st.lists(st.sampled_from(EVIL), min_size=1, max_size=5).map("".join), st.text())


class ExecutorContract(BackupContract, CopyContract, ListingContract, TroubleContract):
    world_type: ClassVar[type[World]]

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "secret").write_text("nobody may touch this")
        return tmp_path / "world"

    @pytest.fixture
    def world(self, root: Path) -> Iterator[World]:
        world = self.world_type.make(root)
        yield world
        world.close()

    @pytest.fixture
    def executor(self, world: World) -> Executor:
        return world.executor()

    @pytest_asyncio.fixture
    async def good(self, executor: Executor) -> RestorePoint:
        """The oldest point: none of these worlds is there."""
        return (await executor.points()).points[-1]

    @pytest_asyncio.fixture
    async def work(self, executor: Executor, good: RestorePoint) -> Work:
        return work_for(await executor.plan(Goal(point=good.id), utc_now()))

    # Points and plans

    async def test_points_come_newest_first_and_no_two_are_called_the_same(self, executor: Executor) -> None:
        points = (await executor.points()).points
        times = [point.at for point in points if point.at is not None]
        assert len(points) >= 3
        assert times == sorted(times, reverse=True)
        assert len({point.id for point in points}) == len(points)

    async def test_only_the_point_that_is_live_is_flagged_as_current(self, executor: Executor) -> None:
        listed = await executor.points()
        flagged = [point.id for point in listed.points if point.current]
        assert flagged == [point.id for point in listed.points if point.id == listed.current.id]

    async def test_no_more_points_are_listed_than_were_asked_for(self, executor: Executor) -> None:
        newest_first = (await executor.points()).points
        assert (await executor.points(limit=2)).points == newest_first[:2]

    async def test_an_unknown_point_is_refused_and_the_nearest_are_named(
        self, executor: Executor, good: RestorePoint
    ) -> None:
        wrong = good.id[:-1] + ("e" if good.id[-1] != "e" else "f")
        with pytest.raises(PointUnavailable, match=r"nearest.*`\S+`"):
            await executor.plan(Goal(point=wrong), utc_now())

    async def test_a_moment_means_the_newest_point_at_or_before_it(self, executor: Executor) -> None:
        points = (await executor.points()).points
        assert points[0].at is not None
        between = points[0].at - timedelta(milliseconds=1)
        assert (await executor.plan(Goal(before=between), utc_now())).point.id == points[1].id

    async def test_a_moment_before_all_points_is_refused_and_the_nearest_is_named(
        self, executor: Executor, good: RestorePoint
    ) -> None:
        assert good.at is not None
        with pytest.raises(PointUnavailable, match=good.id):
            await executor.plan(Goal(before=good.at - timedelta(days=1)), utc_now())

    async def test_what_is_live_already_is_no_way_to_go(self, executor: Executor) -> None:
        listed = await executor.points()
        if not any(point.current for point in listed.points):
            pytest.skip("what is live is no restore point of this backend")
        assert (await executor.plan(Goal(point=listed.current.id), utc_now())).blockers

    async def test_planning_and_measuring_change_nothing(
        self, world: World, executor: Executor, good: RestorePoint
    ) -> None:
        before = world.live()
        way = await executor.plan(Goal(point=good.id), utc_now())
        await executor.measure(good, utc_now())
        assert way.blockers == ()
        assert (world.live(), world.effects()) == (before, 0)

    # Carrying out

    async def test_a_restore_changes_the_world_once_and_arrives_exactly_there(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        there = world.holds(work.point)
        end = await carried_out(executor, work)
        assert isinstance(end, Ended)
        assert (end.ok, end.left) == (True, Left.POINT)
        assert (world.live(), world.effects()) == (there, 1)

    async def test_what_has_arrived_is_verified(self, executor: Executor, work: Work) -> None:
        await carried_out(executor, work)
        findings = await executor.verify(work)
        assert findings
        assert {finding.verdict for finding in findings} == {Verdict.PASSED}

    async def test_a_backend_that_lies_does_not_pass(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        await carried_out(executor, work)
        world.lies()
        assert Verdict.FAILED in {finding.verdict for finding in await executor.verify(work)}

    async def test_a_second_start_does_nothing(self, world: World, executor: Executor, work: Work) -> None:
        await carried_out(executor, work)
        assert await world.executor().start(work) is Taken.TAKEN
        assert world.effects() == 1

    async def test_the_same_operation_for_another_plan_does_nothing_and_is_unknown(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        await carried_out(executor, work)
        other = replace(work, digest="e" * 64)
        assert await executor.start(other) is Taken.TAKEN
        assert (await executor.find(other)).fate is Fate.UNKNOWN
        assert world.effects() == 1

    async def test_nothing_is_done_when_the_identity_moved_since_the_plan(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        world.drifts()
        drifted = world.live()
        with pytest.raises(StateChanged):
            await carried_out(executor, work)
        assert (world.live(), world.effects()) == (drifted, 0)
        assert (await executor.find(work)).fate is Fate.ABSENT

    async def test_nothing_is_done_to_an_equal_thing_that_stands_in_its_place(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        if not isinstance(world, ReplaceableWorld):
            pytest.skip("nothing equal can stand in the place of this backend")
        before = world.live()
        world.replaced()
        with pytest.raises(StateChanged):
            await carried_out(executor, work)
        assert world.live() == before
        assert (await executor.find(work)).fate is Fate.ABSENT

    async def test_nothing_is_done_when_the_point_is_gone_since_the_plan(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        before = world.live()
        world.loses(work.point)
        with pytest.raises((PointUnavailable, StateChanged)):
            await carried_out(executor, work)
        with pytest.raises(PointUnavailable):
            await executor.plan(Goal(point=work.point), utc_now())
        assert (world.live(), world.effects()) == (before, 0)

    async def test_nothing_is_done_when_the_point_holds_something_else_than_was_approved(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        if not work.fingerprint:
            pytest.skip("what a restore point of this backend holds is in its id")
        before = world.live()
        with pytest.raises((PointUnavailable, StateChanged)):
            await carried_out(executor, replace(work, fingerprint="f" * 64))
        assert (world.live(), world.effects()) == (before, 0)
        assert (await executor.find(work)).fate is Fate.ABSENT

    async def test_what_has_ended_cannot_be_cancelled(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        there = world.holds(work.point)
        await carried_out(executor, work)
        assert await executor.cancel(work) is None
        assert world.live() == there

    # Finding

    async def test_what_was_never_started_is_absent(self, executor: Executor, work: Work) -> None:
        assert (await executor.find(work)).fate is Fate.ABSENT

    async def test_what_was_done_is_found_by_anybody(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        await carried_out(executor, work)
        assert (await world.executor().find(work)).fate is Fate.DONE

    async def test_what_was_changed_again_is_overtaken(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        await carried_out(executor, work)
        world.drifts()
        assert (await executor.find(work)).fate is Fate.OVERTAKEN

    async def test_killed_before_the_change_it_is_absent_and_can_be_started_again(
        self, world: World, root: Path, executor: Executor, work: Work
    ) -> None:
        before, there = world.live(), world.holds(work.point)
        await _killed(world, root, work, Moment.TAKEN)
        assert (world.live(), world.effects()) == (before, 0)
        assert (await executor.find(work)).fate is Fate.ABSENT
        assert await carried_out(executor, work) is not Taken.TAKEN
        assert (world.live(), world.effects()) == (there, 1)

    async def test_killed_after_the_change_it_is_done_and_is_not_done_again(
        self, world: World, root: Path, executor: Executor, work: Work
    ) -> None:
        there = world.holds(work.point)
        await _killed(world, root, work, Moment.CHANGED)
        assert (await executor.find(work)).fate is Fate.DONE
        assert await executor.start(work) is Taken.TAKEN
        assert (world.live(), world.effects()) == (there, 1)

    async def test_killed_after_the_change_it_is_verified_like_any_other(
        self, world: World, root: Path, executor: Executor, work: Work
    ) -> None:
        await _killed(world, root, work, Moment.CHANGED)
        assert {finding.verdict for finding in await executor.verify(work)} == {Verdict.PASSED}

    async def test_processes_racing_with_one_operation_change_the_world_once(
        self, world: World, root: Path, work: Work
    ) -> None:
        there = world.holds(work.point)
        async with strangers(world, root, *[work] * 3) as racers:
            for racer in racers:
                racer.go()
            answers = sorted([await racer.answer() for racer in racers])
        assert answers == ["done", "taken", "taken"]
        assert (world.live(), world.effects()) == (there, 1)

    # Barring

    @pytest.fixture
    def barring(self, executor: Executor) -> Executor:
        if executor.capabilities.fence is not Fence.BARRED:
            pytest.skip("an op id of this backend travels with the effect: nothing can be barred")
        return executor

    async def test_what_is_barred_is_never_done(self, world: World, barring: Executor, work: Work) -> None:
        before = world.live()
        assert (await barring.bar(work)).fate is Fate.ABSENT
        assert await world.executor().start(work) is Taken.TAKEN
        assert (world.live(), world.effects()) == (before, 0)

    async def test_what_is_barred_has_ended_and_left_everything_as_before(
        self, barring: Executor, work: Work
    ) -> None:
        await barring.bar(work)
        found = await barring.find(work)
        assert (found.fate, found.left) == (Fate.FAILED, Left.BEFORE)

    async def test_what_is_done_cannot_be_barred(self, world: World, barring: Executor, work: Work) -> None:
        there = world.holds(work.point)
        await carried_out(barring, work)
        assert (await barring.bar(work)).fate is Fate.DONE
        assert (world.live(), world.effects()) == (there, 1)

    async def test_what_was_killed_before_the_change_can_be_barred(
        self, world: World, root: Path, barring: Executor, work: Work
    ) -> None:
        before = world.live()
        await _killed(world, root, work, Moment.TAKEN)
        assert (await barring.bar(work)).fate is Fate.ABSENT
        assert await barring.start(work) is Taken.TAKEN
        assert (world.live(), world.effects()) == (before, 0)

    # Undo

    async def test_an_undo_point_asked_for_twice_is_the_same(self, executor: Executor, work: Work) -> None:
        saved = await kept(executor, work)
        assert saved is not None
        assert await kept(executor, work) == saved

    async def test_saving_leaves_everything_as_before(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        before = world.live()
        end = await carried_out(executor, saving(work))
        assert isinstance(end, Ended)
        assert (end.ok, end.left) == (True, Left.BEFORE)
        assert (world.live(), world.effects()) == (before, 0)

    async def test_no_undo_point_is_taken_of_a_state_that_moved(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        world.drifts()
        with pytest.raises(StateChanged):
            await carried_out(executor, saving(work))

    async def test_going_to_the_undo_point_brings_back_exactly_what_was(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        before = world.live()
        saved = await kept(executor, work)
        assert saved is not None
        await carried_out(executor, replace(work, undo=saved.id))
        back = work_for(await executor.plan(Goal(point=saved.id), utc_now()), run="RB-43")
        await carried_out(executor, back)
        assert (world.live(), world.effects()) == (before, 2)

    async def test_a_version_that_came_back_can_be_left_again(
        self, world: World, executor: Executor, work: Work
    ) -> None:
        there, saved = world.holds(work.point), await kept(executor, work)
        assert saved is not None
        await carried_out(executor, replace(work, undo=saved.id))
        for run, point in (("RB-43", saved.id), ("RB-44", work.point)):
            way = await executor.plan(Goal(point=point), utc_now())
            await carried_out(executor, work_for(way, run=run))
        listed = await executor.points()
        assert (world.live(), world.effects()) == (there, 3)
        assert [point.id for point in listed.points if point.current] in ([], [listed.current.id])

    # What is made beside it, and dropped

    @pytest_asyncio.fixture
    async def undone(self, executor: Executor, work: Work) -> RestorePoint:
        """An undo point that nobody needs any more."""
        if Do.SAVE not in executor.capabilities.drops:
            pytest.skip("what this backend keeps is its own: nothing is dropped")
        saved = await kept(executor, work)
        assert saved is not None
        return saved

    async def test_an_undo_point_that_is_dropped_is_gone_and_nothing_else(
        self, world: World, executor: Executor, work: Work, undone: RestorePoint
    ) -> None:
        before, points = world.live(), (await executor.points()).points
        end = await carried_out(executor, dropping(work, undo=undone))
        assert isinstance(end, Ended)
        assert (end.ok, end.left) == (True, Left.BEFORE)
        assert (await executor.points()).points == tuple(p for p in points if p.id != undone.id)
        assert (world.live(), world.effects()) == (before, 0)

    async def test_what_was_dropped_is_found_done_and_not_dropped_again(
        self, world: World, executor: Executor, work: Work, undone: RestorePoint
    ) -> None:
        await carried_out(executor, dropping(work, undo=undone))
        assert (await world.executor().find(dropping(work, undo=undone))).fate is Fate.DONE
        assert await executor.start(dropping(work, undo=undone)) is Taken.TAKEN

    async def test_an_undo_point_that_holds_something_else_than_was_saved_is_not_dropped(
        self, executor: Executor, work: Work, undone: RestorePoint
    ) -> None:
        points = (await executor.points()).points
        with pytest.raises(PermanentError):
            await carried_out(executor, dropping(work, undo=replace(undone, fingerprint="f" * 64)))
        assert (await executor.points()).points == points

    # Hostile names

    @pytest_asyncio.fixture
    async def offered(self, world: World, executor: Executor) -> AsyncIterator[frozenset[str]]:
        """The names that are no lies. Whatever the test does, the world is the same after it."""
        before = world.live()
        yield frozenset(point.id for point in (await executor.points()).points)
        assert (world.live(), world.effects()) == (before, 0)

    @given(name=hostile_names)
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    async def test_a_hostile_name_reaches_nothing(
        self, root: Path, executor: Executor, work: Work, offered: frozenset[str], name: str
    ) -> None:
        assume(name not in offered)
        outside = _everything_beside(root)
        with pytest.raises(PermanentError):
            await executor.plan(Goal(point=name), utc_now())
        with pytest.raises(PermanentError):
            await executor.start(replace(work, point=name))
        assert _everything_beside(root) == outside


async def _killed(world: World, root: Path, work: Work, moment: Moment) -> None:
    async with strangers(world, root, work, dies=moment) as (victim,):
        victim.go()
        assert await victim.code() == -9


def _everything_beside(root: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of everything in the folder that holds the world, without what is inside it."""
    beside = [path for path in root.parent.iterdir() if path != root]
    return sorted(
        (str(path), (status := path.lstat()).st_size, status.st_mtime_ns)
        for folder in beside
        for path in (folder, *folder.rglob("*"))
    )
