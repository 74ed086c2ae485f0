"""What is special about release folders; the rest is in the contract."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out, work_for
from backends.marker import Markers
from backends.releases.executor import Releases
from bot.contract import Blocked, Fate, Taken, TargetMissing, Work
from bot.model import Goal, UndoMode
from tests.backends.releases.world import ReleasesWorld

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReleasesWorld]:
    world = ReleasesWorld.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def executor(world: ReleasesWorld) -> Releases:
    return world.executor()


async def _work(executor: Releases, release: str = "v41") -> Work:
    return work_for(await executor.plan(Goal(point=release), NOW))


async def test_the_releases_that_go_are_named_newest_first(executor: Releases) -> None:
    way = await executor.plan(Goal(point="v40"), NOW)
    assert way.changes == ("v42 · 2026-11-22 12:42 UTC", "v41 · 2026-11-22 12:41 UTC")


async def test_towards_a_newer_release_only_what_is_live_goes(
    world: ReleasesWorld, executor: Releases
) -> None:
    world.point_at("v40")
    assert (await executor.plan(Goal(point="v42"), NOW)).changes == ("v40 · 2026-11-22 12:40 UTC",)


async def test_no_data_is_touched(executor: Releases) -> None:
    assert (await executor.plan(Goal(point="v41"), NOW)).loss is None


async def test_only_real_folders_with_plain_names_are_releases(
    world: ReleasesWorld, executor: Releases, tmp_path: Path
) -> None:
    releases = world.root / "releases"
    (tmp_path / "elsewhere").mkdir()
    (releases / "v99").symlink_to(tmp_path / "elsewhere")
    (releases / ".v43-being-copied").mkdir()
    (releases / "two\nlines").mkdir()
    (releases / os.fsdecode(b"\xff")).mkdir()
    (releases / "notes.txt").write_text("")
    assert [point.id for point in (await executor.restore_points()).points] == ["v42", "v41", "v40"]


async def test_a_link_with_a_full_path_is_understood(world: ReleasesWorld, executor: Releases) -> None:
    link = world.root / "current"
    link.unlink()
    link.symlink_to((world.root / "releases" / "v42").absolute())
    assert (await executor.restore_points()).current.id == "v42"


@pytest.mark.parametrize("target", ["../outside", "/etc", "releases", "releases/v42/index.html", "."])
async def test_a_link_that_leads_out_of_the_releases_is_refused(
    world: ReleasesWorld, executor: Releases, target: str
) -> None:
    link = world.root / "current"
    link.unlink()
    link.symlink_to(target)
    with pytest.raises(Blocked, match="leads out"):
        await executor.restore_points()


async def test_a_folder_in_the_place_of_the_link_is_refused(world: ReleasesWorld, executor: Releases) -> None:
    (world.root / "current").unlink()
    (world.root / "current").mkdir()
    with pytest.raises(Blocked, match="not a link"):
        await executor.restore_points()


async def test_a_place_without_releases_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(TargetMissing):
        await Releases(tmp_path).restore_points()


async def test_a_live_release_whose_folder_is_gone_can_be_left_but_not_come_back_to(
    world: ReleasesWorld, executor: Releases
) -> None:
    world.loses("v42")
    way = await executor.plan(Goal(point="v41"), NOW)
    assert way.undo is UndoMode.IMPOSSIBLE
    assert await executor.undo_point(work_for(way, n=2)) is None
    await carried_out(executor, work_for(way))
    assert world.live() == "this is v41"


READER = """
import pathlib, select, sys
page = pathlib.Path(sys.argv[1])
seen = set()
print("reading", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        seen.add(page.read_text())
    except OSError as error:
        seen.add(type(error).__name__)
print(sorted(seen))
"""


async def test_a_reader_never_meets_a_moment_without_a_release(
    world: ReleasesWorld, executor: Releases
) -> None:
    page = world.root / "current" / "index.html"
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(page)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for n in range(200):
            way = await executor.plan(Goal(point=("v41", "v42")[n % 2]), NOW)
            await carried_out(executor, work_for(way, run=f"RB-{n}"))
        seen, _ = reader.communicate("enough\n")
    assert seen == "['this is v41', 'this is v42']\n"
    assert world.effects() == 200


async def test_whoever_comes_while_somebody_is_at_it_does_nothing(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    slot = Markers(world.root).take(work.op_id)
    assert slot is not None
    with slot:
        assert await executor.start(work) is Taken.TAKEN
        assert (await executor.find(work)).fate is Fate.IN_FLIGHT
    assert world.effects() == 0


async def test_the_same_release_deployed_again_is_not_our_change(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    world.point_at("v41")
    assert (await executor.find(work)).fate is Fate.OVERTAKEN


async def test_somebody_back_at_the_old_release_does_not_make_a_done_one_absent(
    world: ReleasesWorld, executor: Releases
) -> None:
    """Else it would be done twice: the link names what the plan expected, and yet it was done."""
    work = await _work(executor)
    await carried_out(executor, work)
    world.point_at("v42")
    assert await executor.start(work) is Taken.TAKEN
    assert world.effects() == 1


async def test_an_unreadable_marker_is_unknown_and_nothing_is_done(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    (world.root / ".rollback" / f"{work.op_id}.json").write_text("{")
    assert (await executor.find(work)).fate is Fate.UNKNOWN
    assert await executor.start(work) is Taken.TAKEN
    assert world.effects() == 1
