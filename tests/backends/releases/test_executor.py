"""What is special about release folders; the rest is in the contract."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from backends.conformance.harness import carried_out, kept, work_for
from backends.marker import Markers
from backends.releases.executor import Releases
from backends.worker_key import WorkerKey
from bot.contract import Blocked, Fate, StateChanged, Taken, TargetMissing, Work
from bot.model import Goal, Loss, LossQuality, UndoMode
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
    assert [(one.id, one.at) for one in way.gone] == [
        ("v42", datetime(2026, 11, 22, 12, 42, tzinfo=UTC)),
        ("v41", datetime(2026, 11, 22, 12, 41, tzinfo=UTC)),
    ]


async def test_towards_a_newer_release_only_what_is_live_goes(
    world: ReleasesWorld, executor: Releases
) -> None:
    world.point_at("v40")
    assert [one.id for one in (await executor.plan(Goal(point="v42"), NOW)).gone] == ["v40"]


async def test_no_data_is_touched(executor: Releases) -> None:
    assert (await executor.plan(Goal(point="v41"), NOW)).loss == Loss(LossQuality.NONE)


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
    listed = await executor.points()
    assert [point.id for point in listed.points] == ["v42", "v41", "v40"]
    assert listed.left_out == (
        "`.v43-being-copied` has a name that begins with a dot.",
        "`notes.txt` is not a folder.",
        "`two lines` has a name that cannot be shown.",
        "`v99` is a link, not a folder.",
        "`\ufffd` has a name that cannot be shown.".replace("\ufffd", " "),
    )


async def test_of_many_that_are_left_out_the_first_are_named(
    world: ReleasesWorld, executor: Releases
) -> None:
    for n in range(1023):
        (world.root / "releases" / f"{n:04}.tar.gz").touch()
    left_out = (await executor.points()).left_out
    assert (len(left_out), left_out[0], left_out[-1]) == (
        21,
        "`0000.tar.gz` is not a folder.",
        "And 1,003 more.",
    )


async def test_a_link_with_a_full_path_is_understood(world: ReleasesWorld, executor: Releases) -> None:
    link = world.root / "current"
    link.unlink()
    link.symlink_to((world.root / "releases" / "v42").absolute())
    assert (await executor.points()).current.id == "v42"


def _link(world: ReleasesWorld, target: str) -> None:
    (world.root / "current").unlink()
    (world.root / "current").symlink_to(target)


@pytest.mark.parametrize("target", ["../outside", "/etc", "releases", ".", "releases/.."])
async def test_a_link_that_leads_out_of_the_releases_is_refused(
    world: ReleasesWorld, executor: Releases, target: str
) -> None:
    _link(world, target)
    with pytest.raises(Blocked, match="leads out"):
        await executor.points()


@pytest.mark.parametrize("form", ["releases/{}", "./releases/{}", "{root}/releases/{}", "releases/{}/"])
async def test_the_new_link_has_the_form_of_the_old_one(
    world: ReleasesWorld, executor: Releases, form: str
) -> None:
    _link(world, form.format("v42", root=world.root))
    await carried_out(executor, await _work(executor))
    assert os.readlink(world.root / "current") == form.format("v41", root=world.root).rstrip("/")


@pytest.mark.parametrize(("root", "linked"), [("www", "shop"), ("shop", "www"), ("www", "www")])
async def test_a_target_is_reached_through_links_above_it(
    world: ReleasesWorld, tmp_path: Path, root: str, linked: str
) -> None:
    (tmp_path / "www").symlink_to(world.root)
    _link(world, str(tmp_path / linked / "releases" / "v42"))
    executor = Releases(tmp_path / root, world.key)
    await carried_out(executor, await _work(executor))
    assert world.live() == "this is v41"


async def test_releases_may_be_on_another_disk(world: ReleasesWorld, executor: Releases) -> None:
    (world.root / "releases").rename(world.root.parent / "disk")
    (world.root / "releases").symlink_to(world.root.parent / "disk")
    await carried_out(executor, await _work(executor))
    assert world.live() == "this is v41"


async def test_another_folder_of_the_same_name_is_another_place(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    moved = world.root.rename(world.root.parent / "moved")
    shutil.copytree(moved, world.root, symlinks=True)
    with pytest.raises(StateChanged, match="another one than when the plan was made"):
        await executor.start(work)
    assert world.live() == "this is v42"


async def test_the_token_says_which_release_is_live_and_where(
    world: ReleasesWorld, executor: Releases
) -> None:
    current = (await executor.points()).current
    assert current.token == f"v42/{world.root.stat().st_ino}{world.root.resolve()}"


async def test_a_run_of_an_earlier_version_expects_the_release_alone(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = replace(await _work(executor), expected="v42", fingerprint="")
    with pytest.raises(StateChanged):
        await executor.start(work)
    await carried_out(executor, replace(work, unsigned=True))
    assert world.live() == "this is v41"


async def test_what_is_live_is_live_since_the_link_was_put_there(
    world: ReleasesWorld, executor: Releases
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    await carried_out(executor, await _work(executor))
    since = (await executor.points()).current.since
    assert since is not None
    assert before <= since <= datetime.now(UTC)


async def test_releases_that_are_pruned_while_they_are_listed_are_no_fault(
    world: ReleasesWorld, executor: Releases
) -> None:
    ended = Event()

    def deploy_and_prune() -> None:
        folders = [world.root / "releases" / f"other{n}" for n in range(20)]
        while not ended.is_set():
            for folder in folders:
                folder.mkdir()
                (folder / "index.html").touch()
            for folder in folders:
                shutil.rmtree(folder)

    with ThreadPoolExecutor(1) as another:
        another.submit(deploy_and_prune)
        try:
            seen = [(await executor.points()).points for _ in range(200)]
        finally:
            ended.set()
    assert all({"v40", "v41", "v42"} <= {point.id for point in points} for points in seen)


async def test_a_folder_in_the_place_of_the_link_is_refused(world: ReleasesWorld, executor: Releases) -> None:
    (world.root / "current").unlink()
    (world.root / "current").mkdir()
    with pytest.raises(Blocked, match="not a link"):
        await executor.points()


async def test_a_place_without_releases_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(TargetMissing):
        await Releases(tmp_path, WorkerKey.fresh()).points()


async def test_a_live_release_whose_folder_is_gone_can_be_left_but_not_come_back_to(
    world: ReleasesWorld, executor: Releases
) -> None:
    world.loses("v42")
    way = await executor.plan(Goal(point="v41"), NOW)
    assert way.undo is UndoMode.IMPOSSIBLE
    assert await kept(executor, work_for(way)) is None
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
    slot = Markers(world.root, world.key).take(work.op_id)
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


async def test_a_plan_says_what_differs_from_what_the_release_held_before(world: ReleasesWorld) -> None:
    executor = world.executor()
    before = await executor.plan(Goal(point="v41"), NOW)
    (world.root / "releases" / "v41" / "index.html").write_text("other")
    after = await executor.plan(Goal(point="v41"), NOW)
    assert after.point.fingerprint != before.point.fingerprint
    assert after.unlike[before.point.fingerprint].startswith("index.html differs (1 of ")
