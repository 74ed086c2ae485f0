"""From the link to the release: links above and among the releases, folders below them, other names."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import Moment, carried_out, kept, strangers, work_for
from backends.installed import definitions
from backends.references import Resolver
from backends.releases.executor import Releases, build
from backends.releases.layout import Layout
from backends.releases.links import Live
from backends.releases.settings import ReleasesSettings
from backends.surroundings import Surroundings
from bot.configuration import load
from bot.contract import Blocked, Fate, StateChanged, TargetMissing, Work
from bot.errors import ConfigurationError
from bot.model import Goal, UndoMode
from tests.backends.releases.world import ChainedWorld, ReleasesWorld

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReleasesWorld]:
    world = ReleasesWorld.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def executor(world: ReleasesWorld) -> Releases:
    return world.executor()


@pytest.fixture
def releases(world: ReleasesWorld) -> Path:
    return world.root / "releases"


async def _work(executor: Releases, release: str = "v41") -> Work:
    return work_for(await executor.plan(Goal(point=release), NOW))


def _link(world: ReleasesWorld, target: str | Path) -> None:
    (world.root / "current").unlink()
    (world.root / "current").symlink_to(target)


def _public(world: ReleasesWorld, *names: str) -> None:
    for name in names:
        public = world.root / "releases" / name / "public"
        public.mkdir()
        (public / "index.html").write_text(f"this is {name}")


# Links above


async def test_a_root_that_is_a_link_is_pinned_where_it_leads(world: ReleasesWorld, tmp_path: Path) -> None:
    (tmp_path / "www").symlink_to(world.root)
    executor = Releases(tmp_path / "www", world.key)
    work = await _work(executor)
    assert work.expected == f"v42/{world.root.stat().st_ino}{world.root.resolve()}"
    other = ReleasesWorld.make(tmp_path / "other")
    (tmp_path / "www").unlink()
    (tmp_path / "www").symlink_to(other.root)
    with pytest.raises(StateChanged, match="another one than when the plan was made"):
        await executor.start(work)
    assert (world.effects(), other.effects()) == (0, 0)
    other.close()


async def test_a_folder_of_releases_that_is_a_link_is_pinned_where_it_leads(
    world: ReleasesWorld, executor: Releases, releases: Path, tmp_path: Path
) -> None:
    releases.rename(tmp_path / "disk")
    releases.symlink_to(tmp_path / "disk")
    work = await _work(executor)
    assert work.expected.endswith(f" {(tmp_path / 'disk').stat().st_ino}{tmp_path / 'disk'}")
    (tmp_path / "disk").rename(tmp_path / "moved")
    (tmp_path / "disk").mkdir()
    for name in ("v41", "v42"):
        (tmp_path / "moved" / name).rename(tmp_path / "disk" / name)
    with pytest.raises(StateChanged, match="another one than when the plan was made"):
        await executor.start(work)
    assert world.effects() == 0


def test_a_folder_of_releases_that_is_a_disk_of_its_own_is_pinned_for_itself() -> None:
    """/proc is one everywhere."""
    live = Live("v1", "", "/current", "proc/", "", NOW)
    token = Layout(Path("/"), UTC, releases="proc").token_of(live)
    assert token.split(" ")[1] == f"{Path('/proc').stat().st_ino}/proc"


@pytest.mark.parametrize("target", ["/usr/lib", "../releases", "releases/../../v42", "releases/../v42"])
async def test_what_leads_elsewhere_is_refused_though_it_looks_alike(
    world: ReleasesWorld, executor: Releases, target: str
) -> None:
    _link(world, target)
    with pytest.raises(Blocked, match=r"/current leads out of .*/releases: let it name a release there"):
        await executor.points()


@pytest.mark.parametrize("target", ["gone/releases/v42", "gone/../releases/v42", "notes/../releases/v42"])
async def test_a_link_through_what_is_no_folder_is_refused_as_the_kernel_does(
    world: ReleasesWorld, executor: Releases, target: str
) -> None:
    (world.root / "notes").touch()
    _link(world, target)
    with pytest.raises(Blocked, match=r"/current leads through .*/(gone|notes), which is no folder"):
        await executor.points()


async def test_a_link_that_leads_in_a_circle_is_refused(world: ReleasesWorld, executor: Releases) -> None:
    (world.root / "next").symlink_to("current")
    _link(world, "next")
    with pytest.raises(Blocked, match="current leads in a circle"):
        await executor.points()


async def test_a_place_without_the_link_is_no_target(world: ReleasesWorld, executor: Releases) -> None:
    (world.root / "current").unlink()
    with pytest.raises(TargetMissing, match="current does not exist"):
        await executor.points()


# Into a folder of the release


@pytest.mark.parametrize(
    "form", ["releases/{}/public", "./releases//{}/public/", "{root}/releases/{}/public"]
)
async def test_a_link_into_a_release_means_the_release_and_keeps_the_path_in_it(
    world: ReleasesWorld, executor: Releases, form: str
) -> None:
    _public(world, "v41", "v42")
    _link(world, form.format("v42", root=world.root))
    assert (await executor.points()).current.id == "v42"
    await carried_out(executor, await _work(executor))
    assert os.readlink(world.root / "current") == form.format("v41", root=world.root).rstrip("/")
    assert world.live() == "this is v41"


async def test_a_release_without_the_folder_that_the_link_leads_to_cannot_be_gone_to(
    world: ReleasesWorld, executor: Releases
) -> None:
    _public(world, "v41", "v42")
    _link(world, "releases/v42/public")
    why = "v40 has no `public`, and that is where `current` leads in a release."
    assert (await executor.plan(Goal(point="v41"), NOW)).blockers == ()
    way = await executor.plan(Goal(point="v40"), NOW)
    assert (way.blockers, way.warnings) == ((why,), ())
    assert {point.id: point.doubt for point in (await executor.points()).points}["v40"] == why


async def test_the_folder_is_looked_for_once_more_before_the_switch(world: ReleasesWorld) -> None:
    """What is in `ignore` is not compared, and so not missed."""
    executor = Releases(world.root, world.key, ignored=["public"])
    _public(world, "v41", "v42")
    _link(world, "releases/v42/public")
    work = await _work(executor)
    (world.root / "releases" / "v41" / "public").rename(world.root / "gone")
    with pytest.raises(Blocked, match="v41 has no `public`"):
        await executor.start(work)
    assert world.effects() == 0


async def test_a_folder_that_is_a_link_out_of_its_release_cannot_be_gone_to(
    world: ReleasesWorld, executor: Releases, releases: Path
) -> None:
    _public(world, "v42")
    _link(world, "releases/v42/public")
    (world.root / "shared").mkdir()
    (releases / "v41" / "public").symlink_to("../../shared")
    assert (await executor.plan(Goal(point="v41"), NOW)).blockers == (
        "`public` in v41 leads out of it: `current` would show something else.",
    )


@pytest.mark.parametrize("way", ["releases/v42/shared", "releases/v42/../v41", "releases/v42/a/../../v41"])
async def test_a_link_through_a_release_and_out_of_it_is_refused(
    world: ReleasesWorld, executor: Releases, releases: Path, way: str
) -> None:
    (world.root / "shared").mkdir()
    (releases / "v42" / "shared").symlink_to("../../shared")
    _link(world, way)
    with pytest.raises(Blocked, match="current leads through v42 and out of it"):
        await executor.points()


async def test_a_link_to_one_file_of_a_release_is_one_like_any_other(
    world: ReleasesWorld, executor: Releases
) -> None:
    _link(world, "releases/v42/index.html")
    await carried_out(executor, await _work(executor))
    assert (world.root / "current").read_text() == "this is v41"


async def test_a_link_that_leads_into_another_folder_than_when_the_plan_was_made_is_not_switched(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    _public(world, "v42")
    _link(world, "releases/v42/public")
    with pytest.raises(StateChanged, match="the way of its link, is another one than"):
        await executor.start(work)
    assert world.effects() == 0


# Links that name links

CHAINS = (
    # what the link says; the other links; which one is switched, to what; and which stays
    ("releases/latest", {"releases/latest": "v42"}, "releases/latest", "v41"),
    ("next", {"next": "releases/v42"}, "next", "releases/v41"),
    ("a", {"a": "./b", "b": "{root}/releases/v42"}, "b", "{root}/releases/v41"),
    ("live/public", {"live": "releases/v42"}, "live", "releases/v41"),
    ("{root}/slots/blue", {"slots/blue": "../releases/v42/public"}, "slots/blue", "../releases/v41/public"),
)


@pytest.mark.parametrize(("target", "others", "switched", "to"), CHAINS)
async def test_of_a_chain_the_link_that_names_the_release_is_switched_and_comes_back(
    world: ReleasesWorld, executor: Releases, target: str, others: dict[str, str], switched: str, to: str
) -> None:
    _public(world, "v41", "v42")
    (world.root / "slots").mkdir()
    for name, text in others.items():
        (world.root / name).symlink_to(text.format(root=world.root))
    _link(world, target.format(root=world.root))
    before = os.readlink(world.root / switched)
    way = await executor.plan(Goal(point="v41"), NOW)
    assert way.warnings == (
        f"`current` leads through the link `{switched}`: that one is switched, and whatever else leads "
        "through it goes along.",
    )
    assert (way.undo, [one.note for one in way.gone]) == (UndoMode.EXACT, [""])
    saved = await kept(executor, work_for(way))
    await carried_out(executor, work_for(way))
    assert os.readlink(world.root / "current") == target.format(root=world.root)
    assert os.readlink(world.root / switched) == to.format(root=world.root)
    assert world.live() == "this is v41"
    assert saved is not None
    await carried_out(executor, work_for(await executor.plan(Goal(point=saved.id), NOW), run="RB-43"))
    assert os.readlink(world.root / switched) == before
    assert world.live() == "this is v42"


async def test_the_end_of_a_switch_says_which_link_it_was(tmp_path: Path) -> None:
    world = ChainedWorld.make(tmp_path / "shop")
    end = await carried_out(world.executor(), await _work(world.executor()))
    world.close()
    assert getattr(end, "words", "") == "v41 is live. The link `versions/latest` was switched."


@pytest.mark.parametrize(
    ("dies", "fate", "live"), [(Moment.TAKEN, Fate.ABSENT, "v42"), (Moment.CHANGED, Fate.DONE, "v41")]
)
async def test_whoever_is_killed_at_a_link_of_a_chain_is_found_as_at_any_other(
    tmp_path: Path, dies: Moment, fate: Fate, live: str
) -> None:
    world = ChainedWorld.make(tmp_path / "shop")
    work = await _work(world.executor())
    async with strangers(world, world.root, work, dies=dies) as (victim,):
        victim.go()
        assert await victim.code() == -9
    assert ((await world.executor().find(work)).fate, world.live()) == (fate, f"this is {live}")
    await carried_out(world.executor(), work)
    assert (world.live(), world.effects()) == ("this is v41", 1)
    world.close()


async def test_a_chain_whose_last_link_is_elsewhere_is_refused_and_that_link_is_named(
    world: ReleasesWorld, executor: Releases, releases: Path, tmp_path: Path
) -> None:
    (tmp_path / "alternatives").symlink_to(releases / "v42")
    _link(world, tmp_path / "alternatives")
    with pytest.raises(
        Blocked, match=r"current leads through /.*/alternatives, which is outside of /.*/shop"
    ):
        await executor.points()


async def test_a_link_that_goes_another_way_than_when_the_plan_was_made_is_not_switched(
    world: ReleasesWorld, executor: Releases, releases: Path
) -> None:
    (releases / "latest").symlink_to("v42")
    _link(world, "releases/latest")
    work = await _work(executor)
    _link(world, "releases/v42")
    with pytest.raises(StateChanged, match="the way of its link, is another one than"):
        await executor.start(work)
    assert world.effects() == 0


async def test_a_switch_that_the_link_does_not_go_through_any_more_is_overtaken(
    world: ReleasesWorld, executor: Releases, releases: Path
) -> None:
    (releases / "latest").symlink_to("v42")
    _link(world, "releases/latest")
    work = await _work(executor)
    await carried_out(executor, work)
    assert (await executor.find(work)).fate is Fate.DONE
    _link(world, "releases/v40")
    assert (await executor.find(work)).fate is Fate.OVERTAKEN


@pytest.fixture
def disk(world: ReleasesWorld) -> Iterator[Path]:
    """Holds the releases, and a link among them that names one."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == world.root.stat().st_dev:
        pytest.skip("there is only one disk here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        disk = Path(folder)
        for name in ("v41", "v42"):
            (disk / name).mkdir()
            (disk / name / "index.html").write_text(f"this is {name}")
        (disk / "latest").symlink_to("v42")
        (world.root / "releases").rename(world.root / "before")
        (world.root / "releases").symlink_to(disk)
        _link(world, "releases/latest")
        yield disk


async def test_a_link_on_another_disk_is_switched_there(
    world: ReleasesWorld, executor: Releases, disk: Path
) -> None:
    """A rename cannot bring it there from the folder of the bot's notes."""
    work = await _work(executor)
    await carried_out(executor, work)
    assert world.live() == "this is v41"
    assert (await world.executor().find(work)).fate is Fate.DONE
    assert sorted(os.listdir(disk)) == ["latest", "v41", "v42"]


async def test_whoever_is_killed_before_a_switch_on_another_disk_has_done_nothing(
    world: ReleasesWorld, executor: Releases, disk: Path
) -> None:
    work = await _work(executor)
    async with strangers(world, world.root, work, dies=Moment.TAKEN) as (victim,):
        victim.go()
        assert await victim.code() == -9
    assert ((await executor.find(work)).fate, world.live()) == (Fate.ABSENT, "this is v42")
    await carried_out(executor, work)
    assert (sorted(os.listdir(disk)), world.live()) == (["latest", "v41", "v42"], "this is v41")


async def test_what_is_live_is_live_since_the_last_of_its_links_was_put_there(
    world: ReleasesWorld, executor: Releases, releases: Path
) -> None:
    (releases / "latest").symlink_to("v42")
    _link(world, "releases/latest")
    put_there = datetime.fromtimestamp((world.root / "current").lstat().st_ctime, UTC)
    assert (await executor.points()).current.since == put_there


async def test_the_new_link_belongs_to_whom_the_old_one_did(world: ReleasesWorld, executor: Releases) -> None:
    """Some servers follow a link only where its owner owns what it leads to."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.lchown(world.root / "current", 65534, 65534)
    await carried_out(executor, await _work(executor))
    status = (world.root / "current").lstat()
    assert (status.st_uid, status.st_gid) == (65534, 65534)


# Names

CONFIGURATION = """
version: 1
defaults: {{approval: {{from: [U1]}}}}
targets:
  shop:
    kind: system
    executor: {{type: releases, root: shop, {names}}}
    checks: [{{type: command, argv: ["true"]}}]
"""


@pytest.mark.parametrize("setting", ["link", "releases"])
@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/srv", "current/", ".rollback", "two\nlines"])
def test_a_name_that_could_lead_elsewhere_is_refused_early(setting: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"must be one name in `root`|at least 1 item"):
        ReleasesSettings.model_validate({"type": "releases", "root": "shop", setting: name})


@pytest.mark.parametrize("names", ["link: releases", "releases: current", "link: live, releases: live"])
def test_one_name_for_the_link_and_the_folder_is_refused_with_its_line(tmp_path: Path, names: str) -> None:
    path = tmp_path / "rollback.yaml"
    path.write_text(CONFIGURATION.format(names=names))
    with pytest.raises(ConfigurationError) as refused:
        load(path, definitions())
    (problem,) = refused.value.problems
    assert "7: `link` and `releases` of `shop` are both called" in problem


async def test_the_link_and_the_folder_are_looked_for_under_the_names_of_the_settings(tmp_path: Path) -> None:
    world = ChainedWorld.make(tmp_path / "shop")
    settings = ReleasesSettings(type="releases", root="shop", link="live", releases="versions")
    executor = build(settings, Resolver(Surroundings(tmp_path, tmp_path, key=world.key), {}))
    work = await _work(executor)
    await carried_out(executor, work)
    world.close()
    assert world.live() == "this is v41"


async def test_a_release_that_is_being_made_is_not_looked_for_in_the_link_itself(
    world: ReleasesWorld,
) -> None:
    (world.root / "current").rename(world.root / "release")
    executor = Releases(world.root, world.key, link="release")
    assert {point.doubt for point in (await executor.points()).points} == {""}
