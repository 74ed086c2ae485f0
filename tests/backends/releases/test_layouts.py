"""The layouts of deploy tools: what is offered, what is doubtful, and that each tool goes on afterwards."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out, kept, work_for
from backends.releases.executor import Releases
from backends.worker_key import WorkerKey
from bot.model import Goal, RestorePoint
from tests.backends.releases.layouts import (
    FIRST,
    SHA,
    Ansistrano,
    Capistrano,
    Deployed,
    Deployer6,
    Deployer7,
    Trellis,
)

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
TOOLS = (Capistrano, Deployer7, Deployer6, Ansistrano, Trellis)


def _executor(world: Deployed) -> Releases:
    return Releases(world.root, WorkerKey.at(world.root.with_name("worker.key")))


async def _points(world: Deployed) -> dict[str, RestorePoint]:
    return {point.id: point for point in (await _executor(world).points()).points}


async def _gone_to(world: Deployed, release: str, run: str = "RB-42") -> None:
    executor = _executor(world)
    work = work_for(await executor.plan(Goal(point=release), NOW), run=run)
    await kept(executor, work)
    await carried_out(executor, work)


def _all_but_the_link(world: Deployed) -> dict[str, tuple[str, int]]:
    """Everything below the root with its content and time, but what says that a link was switched."""
    found = {}
    for path in sorted(world.root.rglob("*")):
        if path.name != "current" and ".rollback" not in path.parts:
            what = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
            found[str(path)] = (what, path.lstat().st_mtime_ns)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "srv" / "shop"


# What is offered

OFFERED = {
    Capistrano: [
        ("20261101140000", "20261101140000 · main 4588d9a2", "ana"),
        ("20261101130000", "20261101130000 · main 4588d9a2", "ana"),
        ("20261101120000", "20261101120000 · main 4588d9a2", "ana"),
    ],
    Deployer7: [
        ("3", "3 · main 4588d9a2", "ana"),
        ("2", "2 · main 4588d9a2", "ana"),
        ("1", "1 · main 4588d9a2", "ana"),
    ],
    Deployer6: [("3", "3", None), ("2", "2", None), ("1", "1", None)],
    Ansistrano: [
        ("20261101140000Z", "20261101140000Z · 4588d9a2", None),
        ("20261101130000Z", "20261101130000Z · 4588d9a2", None),
        ("20261101120000Z", "20261101120000Z", None),
    ],
    Trellis: [(name, name, None) for name in ("20261101140000", "20261101130000", "20261101120000")],
}


@pytest.mark.parametrize("tool", TOOLS)
async def test_the_releases_of_a_tool_are_offered_as_it_has_noted_them(
    tool: type[Deployed], root: Path
) -> None:
    world = tool.of_three(root)
    listed = await _executor(world).points()
    assert [(point.id, point.label, point.author) for point in listed.points] == OFFERED[tool]
    assert [point.at for point in listed.points] == [FIRST + timedelta(hours=n) for n in (2, 1, 0)]
    assert {point.doubt for point in listed.points} == {""}
    assert [point.id for point in listed.points if point.current] == [world.made[-1]]
    assert listed.left_out == ()


# Going back, undoing, and what the tool does then


@pytest.mark.parametrize("tool", TOOLS)
async def test_going_back_leaves_the_link_that_the_tool_would_make_and_nothing_else(
    tool: type[Deployed], root: Path
) -> None:
    world = tool.of_three(root)
    before, link = _all_but_the_link(world), os.readlink(root / "current")
    await _gone_to(world, world.made[1])
    assert os.readlink(root / "current") == tool.form.format(root=root, release=world.made[1])
    await _gone_to(world, world.made[2], run="RB-43")
    assert os.readlink(root / "current") == link
    assert _all_but_the_link(world) == before


@pytest.mark.parametrize("tool", TOOLS)
async def test_the_next_deploy_of_a_tool_follows_as_if_nobody_had_gone_back(
    tool: type[Deployed], root: Path
) -> None:
    world, other = tool.of_three(root), tool.of_three(root.with_name("other"))
    await _gone_to(world, world.made[1])
    assert world.deploy() == other.deploy()
    assert (await _executor(world).points()).current.id == world.made[3]


@pytest.mark.parametrize(("tool", "to"), [(Deployer7, 0), (Trellis, 0)])
async def test_a_tool_that_goes_back_from_what_is_live_goes_further_back_from_there(
    tool: type[Deployer7] | type[Trellis], to: int, root: Path
) -> None:
    world = tool.of_three(root)
    await _gone_to(world, world.made[1])
    assert world.rollback() == world.made[to]
    assert (await _executor(world).points()).current.id == world.made[to]


@pytest.mark.parametrize("tool", [Capistrano, Deployer6, Ansistrano])
async def test_a_tool_that_goes_to_its_second_newest_does_so_whatever_we_have_left_live(
    tool: type[Capistrano] | type[Deployer6] | type[Ansistrano], root: Path
) -> None:
    world = tool.of_three(root)
    await _gone_to(world, world.made[0])
    assert world.rollback() == world.made[1]
    assert (await _executor(world).points()).current.id == world.made[1]


async def test_capistrano_keeps_what_we_have_put_there_when_it_cleans_up(root: Path) -> None:
    """It compares the text of the link with the full path of each folder."""
    world = Capistrano.of_three(root)
    await _gone_to(world, world.made[0])
    world.cleanup(keep=1)
    assert world.names() == [world.made[0], world.made[2]]


@pytest.mark.parametrize("tool", [Deployer7, Deployer6, Ansistrano])
async def test_a_live_release_that_its_tool_has_cleaned_up_is_said_to_be_gone(
    tool: type[Deployer7] | type[Deployer6] | type[Ansistrano], root: Path
) -> None:
    """These count by age alone, and a release that we have put there may be old."""
    world = tool.of_three(root)
    await _gone_to(world, world.made[0])
    world.cleanup(keep=1)
    way = await _executor(world).plan(Goal(point=world.made[2]), NOW)
    assert (way.current.id, [one.note for one in way.gone]) == (world.made[0], ["its folder is gone"])
    assert way.blockers == ()


# What nobody should go to unasked


async def test_a_deploy_of_capistrano_that_did_not_come_to_its_end_is_in_doubt(root: Path) -> None:
    world = Capistrano.of_three(root)
    name = world.deploy(to_the_end=False)
    points = await _points(world)
    assert points[name].doubt == (
        f"{name} is not in revisions.log, where Capistrano notes what it has deployed to the end."
    )
    assert {points[other].doubt for other in world.made[:3]} == {""}


async def test_releases_from_before_capistrano_kept_a_record_are_not_in_doubt(root: Path) -> None:
    world = Capistrano.of_three(root)
    lines = (root / "revisions.log").read_text().splitlines(keepends=True)
    (root / "revisions.log").write_text("".join(lines[1:]))
    assert {point.doubt for point in (await _points(world)).values()} == {""}


@pytest.mark.parametrize("tool", [Deployer7, Deployer6])
async def test_a_deploy_of_deployer_that_is_under_way_is_in_doubt_and_what_is_live_is_live(
    tool: type[Deployer7], root: Path
) -> None:
    world = tool.of_three(root)
    name = world.begin()
    listed = await _executor(world).points()
    assert (listed.current.id, listed.points[0].id) == ("3", name)
    assert listed.points[0].doubt == "4 is not finished: the link `release` still names it."


async def test_a_plan_says_that_a_deploy_may_be_under_way(root: Path) -> None:
    """When it ends it switches the link, whatever the bot has done."""
    world = Deployer7.of_three(root)
    words = (
        "4 may be under way, for the link `release` names it: a deploy that ends puts its own release there."
    )
    before = (await _executor(world).plan(Goal(point="2"), NOW)).warnings
    world.begin()
    assert words not in before
    assert words in (await _executor(world).plan(Goal(point="2"), NOW)).warnings


async def test_what_deployer_has_rolled_back_is_in_doubt_and_keeps_its_time(root: Path) -> None:
    world = Deployer7.of_three(root)
    world.rollback()
    point = (await _points(world))["3"]
    assert (point.doubt, point.at) == ("3 is marked as bad (BAD_RELEASE).", FIRST + timedelta(hours=2))


async def test_what_deployer_has_pushed_into_is_in_doubt(root: Path) -> None:
    world = Deployer7.of_three(root)
    (root / "releases" / "2" / "DIRTY_RELEASE").write_text("ana\n")
    assert (await _points(world))["2"].doubt == "2 was changed after it was deployed (DIRTY_RELEASE)."


async def test_a_deploy_of_ansible_that_is_under_way_and_what_it_took_back_are_in_doubt(root: Path) -> None:
    world = Trellis.of_three(root)
    world.rollback()
    name = world.begin()
    doubts = {id: point.doubt for id, point in (await _points(world)).items()}
    for marked in (world.made[2], name):
        assert doubts[marked].startswith(f"{marked} was never deployed to the end, or was taken back")
    assert {doubts[other] for other in world.made[:2]} == {""}


async def test_who_put_there_what_capistrano_has_rolled_back_to_is_known(root: Path) -> None:
    world = Capistrano.of_three(root)
    world.rollback()
    current = (await _executor(world).points()).current
    assert (current.id, current.author) == (world.made[1], "ana")


async def test_a_release_names_the_revision_that_it_was_made_from(root: Path) -> None:
    """Eight digits, of the forty."""
    world = Ansistrano.of_three(root)
    assert (root / "releases" / world.made[1] / "REVISION").read_text() == f"{SHA}1"
    assert (await _points(world))[world.made[1]].label.endswith(SHA[:8])
