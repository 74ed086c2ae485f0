"""What would keep the bot from switching the link, and what it cannot read: said before anybody agrees."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out, work_for
from backends.marker import FOLDER
from backends.releases.executor import Releases
from backends.releases.obstacles import refusals
from bot.contract import Blocked, Busy, Denied, Fate, PointUnavailable, TargetMissing, Unreachable
from bot.model import Goal, UndoMode, Verdict
from tests.backends.releases.world import ReleasesWorld

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
NOBODY = 65534
SOMEBODY = NOBODY if os.geteuid() == 0 else os.geteuid()  # who has no special rights


@contextmanager
def somebody() -> Iterator[None]:
    """Acts as a user whom the kernel refuses things, perhaps even Python itself: threads are there before."""
    before = os.geteuid()
    with ThreadPoolExecutor(1):
        os.seteuid(SOMEBODY)
        try:
            yield
        finally:
            os.seteuid(before)


@pytest.fixture
def world() -> Iterator[ReleasesWorld]:
    """In a folder that anybody may enter, and owned by somebody."""
    with tempfile.TemporaryDirectory(prefix="rollback-releases-") as folder:
        os.chmod(folder, 0o755)
        world = ReleasesWorld.make(Path(folder) / "shop")
        (world.root / FOLDER).chmod(0o700)
        for path in (world.root, *world.root.rglob("*")):
            os.lchown(path, SOMEBODY, -1)
        yield world
        world.close()


async def _blockers(executor: Releases, release: str = "v41") -> tuple[str, ...]:
    with somebody():
        return (await executor.plan(Goal(point=release), NOW)).blockers


async def test_nothing_is_in_the_way_of_somebody_who_owns_the_folder(world: ReleasesWorld) -> None:
    assert await _blockers(world.executor()) == ()


async def test_a_folder_of_the_link_that_the_bot_may_not_write_to_is_in_the_way(world: ReleasesWorld) -> None:
    world.root.chmod(0o555)
    assert await _blockers(world.executor()) == (
        f"The bot may not write to {world.root}, where the link is switched: "
        "give the user that it runs as the right to write to that folder.",
    )


async def test_the_folder_of_the_link_that_is_switched_counts_and_not_that_of_the_first(
    world: ReleasesWorld,
) -> None:
    (world.root / "releases" / "latest").symlink_to("v42")
    (world.root / "current").unlink()
    (world.root / "current").symlink_to("releases/latest")
    (world.root / "releases").chmod(0o555)
    (why,) = await _blockers(world.executor())
    assert why.startswith(f"The bot may not write to {world.root}/releases, where the link is switched")


async def test_a_place_where_the_bot_cannot_note_what_it_does_is_in_the_way(world: ReleasesWorld) -> None:
    (world.root / FOLDER).chmod(0o500)
    (why,) = await _blockers(world.executor())
    assert why.startswith(
        f"The bot may not write to {world.root}/.rollback, where the bot notes what it does"
    )


async def test_a_folder_of_notes_that_is_not_the_bots_is_in_the_way(world: ReleasesWorld) -> None:
    (world.root / FOLDER).rmdir()
    (world.root / FOLDER).symlink_to("releases")
    assert await _blockers(world.executor()) == (
        f"{world.root}/.rollback is no folder of the bot's: remove it, and see who has put it there.",
    )


async def test_a_link_of_another_user_in_a_folder_with_the_sticky_bit_is_in_the_way(
    world: ReleasesWorld,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(world.root, 0, -1)
    os.lchown(world.root / "current", 0, -1)
    world.root.chmod(0o1777)
    (why,) = await _blockers(world.executor())
    assert why.startswith(f"{world.root}/current belongs to another user, and its folder has the sticky bit")


def _disk(**changed: int) -> Callable[[str], os.statvfs_result]:
    """Says of every folder what the kernel says of it, but for some figures."""

    def disk(folder: str) -> os.statvfs_result:
        names = [name for name in dir(os.statvfs_result) if name.startswith("f_")]
        found = {name: getattr(os.statvfs(folder), name) for name in names} | changed
        order = (
            "bsize",
            "frsize",
            "blocks",
            "bfree",
            "bavail",
            "files",
            "ffree",
            "favail",
            "flag",
            "namemax",
        )
        return os.statvfs_result([found[f"f_{name}"] for name in order])

    return disk


async def test_a_disk_that_can_only_be_read_is_in_the_way(world: ReleasesWorld) -> None:
    executor = Releases(world.root, world.key, disk=_disk(f_flag=os.ST_RDONLY))
    why = (await _blockers(executor))[0]
    assert why == (
        f"{world.root}, where the link is switched, is on a disk that can only be read: "
        "have it mounted for writing."
    )


@pytest.mark.parametrize("full", [{"f_bfree": 3, "f_bavail": 3, "f_blocks": 9}, {"f_files": 9, "f_ffree": 0}])
async def test_a_full_disk_is_trouble_that_passes(world: ReleasesWorld, full: dict[str, int]) -> None:
    executor = Releases(world.root, world.key, disk=_disk(**full))
    with pytest.raises(Busy, match=rf"The disk of {world.root} is full: free some space"):
        await executor.plan(Goal(point="v41"), NOW)


async def test_a_disk_that_counts_neither_blocks_nor_files_is_not_full(world: ReleasesWorld) -> None:
    nothing = _disk(f_blocks=0, f_bfree=0, f_bavail=0, f_files=0, f_ffree=0)
    assert await _blockers(Releases(world.root, world.key, disk=nothing)) == ()


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, Busy, "The disk of /srv is full: free some space."),
        (errno.EDQUOT, Busy, "The disk of /srv is full: free some space."),
        (errno.EMFILE, Busy, "This machine has no more files to open"),
        (errno.ESTALE, Unreachable, "The disk of /srv does not answer"),
        (errno.EIO, Unreachable, "The disk of /srv does not answer"),
        (errno.EROFS, Blocked, "The disk of /srv can only be read: have it mounted for writing."),
        (errno.EACCES, Denied, "The bot may not use /srv: give the user that it runs as the right."),
        (errno.EPERM, Denied, "The bot may not use /srv: give the user that it runs as the right."),
        (errno.ENAMETOOLONG, Blocked, "File name too long"),
    ],
)
def test_a_refusal_of_the_operating_system_is_one_sentence_and_passes_or_does_not(
    number: int, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words), refusals():
        raise OSError(number, os.strerror(number), "/srv")


async def test_a_right_that_is_taken_away_after_the_approval_is_said_and_nothing_is_done(
    world: ReleasesWorld,
) -> None:
    executor = world.executor()
    with somebody():
        work = work_for(await executor.plan(Goal(point="v41"), NOW))
        world.root.chmod(0o555)
        with pytest.raises(Denied, match=f"The bot may not use {world.root}/current: give the user that"):
            await executor.start(work)
        assert (await executor.find(work)).fate is Fate.ABSENT
        world.root.chmod(0o755)
        await carried_out(executor, work)
    assert (world.live(), world.effects()) == ("this is v41", 1)


# What cannot be read


async def test_a_release_that_cannot_be_read_as_a_whole_is_refused_and_what_cannot_is_said(
    world: ReleasesWorld,
) -> None:
    secret, logs = world.root / "releases/v41/.env", world.root / "releases/v41/var/log"
    secret.write_text("x")
    secret.chmod(0)
    logs.mkdir(parents=True)
    logs.chmod(0)
    for path in (secret, logs):
        os.chown(path, SOMEBODY, -1)
    with somebody():
        with pytest.raises(Denied) as refused:
            await world.executor().plan(Goal(point="v41"), NOW)
        way = await Releases(world.root, world.key, ignored=[".env", "var/log"]).plan(Goal(point="v41"), NOW)
    assert str(refused.value) == (
        "v41 cannot be read by the bot as a whole: .env and 1 more. "
        "Let the user that it runs as read it, or name in `ignore` what does not count."
    )
    assert way.blockers == ()


async def test_a_release_that_cannot_be_entered_is_left_out_and_whoever_names_it_hears_why(
    world: ReleasesWorld,
) -> None:
    (world.root / "releases" / "v41").chmod(0)
    with somebody():
        listed = await world.executor().points()
        with pytest.raises(PointUnavailable, match="`v41` is no restore point: it cannot be read by the bot"):
            await world.executor().plan(Goal(point="v41"), NOW)
    assert [point.id for point in listed.points] == ["v42", "v40"]
    assert listed.left_out == ("`v41` cannot be read by the bot.",)


async def test_a_live_release_that_cannot_be_entered_is_listed_and_can_be_left(world: ReleasesWorld) -> None:
    (world.root / "releases" / "v42").chmod(0)
    with somebody():
        way = await world.executor().plan(Goal(point="v41"), NOW)
    assert (way.current.label, way.gone[0].at, way.undo, way.blockers) == (
        "v42",
        way.current.at,
        UndoMode.EXACT,
        (),
    )


async def test_a_release_that_cannot_be_read_after_the_switch_has_neither_passed_nor_failed(
    world: ReleasesWorld,
) -> None:
    executor = world.executor()
    with somebody():
        work = work_for(await executor.plan(Goal(point="v41"), NOW))
        await carried_out(executor, work)
        page = world.root / "releases" / "v41" / "index.html"
        page.chmod(0)
        found = {finding.name: finding for finding in await executor.verify(work)}["release folder"]
    assert (found.verdict, found.words.split(":")[0]) == (
        Verdict.INCONCLUSIVE,
        "v41 cannot be read by the bot as a whole",
    )


# What is left out of the list


async def test_everything_that_is_no_release_is_counted_and_said_with_the_reason(
    world: ReleasesWorld, tmp_path: Path
) -> None:
    releases = world.root / "releases"
    (releases / ".git").mkdir()
    (releases / "notes.txt").touch()
    (releases / "latest").symlink_to("v42")
    (releases / "old").symlink_to("v39")
    (releases / "v38").symlink_to(tmp_path)
    assert (await world.executor().points()).left_out == (
        "`.git` has a name that begins with a dot.",
        "`latest` is a link to v42.",
        "`notes.txt` is not a folder.",
        "`old` is a link to nowhere.",
        "`v38` is a link, not a folder.",
    )


@pytest.mark.parametrize("name", [".git", "latest", "two\nlines"])
async def test_whoever_names_something_that_is_left_out_hears_why(world: ReleasesWorld, name: str) -> None:
    (world.root / "releases" / ".git").mkdir()
    (world.root / "releases" / "two\nlines").mkdir()
    (world.root / "releases" / "latest").symlink_to("v42")
    with pytest.raises(PointUnavailable, match=r"`.*` is no restore point: it (has|is) a "):
        await world.executor().plan(Goal(point=name), NOW)


async def test_how_many_older_releases_are_not_listed_is_said(world: ReleasesWorld) -> None:
    listed = await world.executor().points(limit=1)
    assert ([point.id for point in listed.points], listed.left_out) == (
        ["v42"],
        ("2 more, older than those that are listed.",),
    )


async def test_a_folder_of_notes_that_is_not_there_yet_is_made(world: ReleasesWorld) -> None:
    (world.root / FOLDER).rmdir()
    with somebody():
        way = await world.executor().plan(Goal(point="v41"), NOW)
        assert (way.blockers, (world.root / FOLDER).exists()) == ((), False)
        await carried_out(world.executor(), work_for(way))
    assert world.live() == "this is v41"


def test_a_refusal_that_is_told_elsewhere_is_not_its_own_cause() -> None:
    with pytest.raises(TargetMissing) as found, refusals():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "current")
    assert isinstance(found.value.__cause__, FileNotFoundError)
    assert found.value.__cause__.__cause__ is None
