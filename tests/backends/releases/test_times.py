"""When a release was made and by whom: its name first, then what deploy tools noted, then the folder."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backends.releases.executor import Releases
from backends.releases.records import dated
from backends.releases.settings import ReleasesSettings
from bot.model import Goal, RestorePoint
from tests.backends.releases.world import NOON, ReleasesWorld

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

# What the tools write, line by line as it was found in:
# ikp786/deployer_test, .dep/releases_log, at 06bccfba9df63564585b23a457e0d72e5aff8e6c
DEPLOYER = '{"created_at":"2023-07-10T13:34:29+0000","release_name":"1","user":"chirag","target":"master"}\n'
# agathasweb/salia, .dep/releases_log, at 0526fccab878868c634b7a7f4a5862926eb2ea09
DEPLOYER_HEAD = (
    '{"created_at":"2024-11-01T01:43:11+0000","release_name":"2","user":"conec734","target":"HEAD"}\n'
)
# felderfranke/perhekalenteri, .dep/releases, at 4d7f472a92ed44ee095a4aa30363d4d144f21e82
OLD_DEPLOYER = "20230311115926,1\n20230311120442,2\n"
# TodoLegal/TodoLegal, revisions.log, at 06de2ca3646c206b79fd15ab38401b422c696099
CAPISTRANO = (
    "Branch master (at 4588d9a237956d07942db5227ca9f5a18e4d6223)"
    " deployed as release 20210630194504 by deploy\n"
    "Branch master (at 021e80d5073ccd4005451c3e0e8e16c903a00141)"
    " deployed as release 20210630194818 by runner\n"
)
# capistrano/capistrano, lib/capistrano/i18n.rb, at 72fa7231dcd318a45dca9edc2abd30fe281f0d56
CAPISTRANO_BACK = "ana rolled back to release 20210630194504\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReleasesWorld]:
    world = ReleasesWorld.make(tmp_path / "shop")
    yield world
    world.close()


async def _points(world: ReleasesWorld) -> dict[str, RestorePoint]:
    return {point.id: point for point in (await world.executor().points()).points}


def _notes(world: ReleasesWorld, name: str, text: str) -> None:
    (world.root / name).parent.mkdir(exist_ok=True)
    (world.root / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("20261101120000", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("20261101T120000Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01-120000", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00:05", datetime(2026, 11, 1, 12, 0, 5, tzinfo=UTC)),
        ("2026-11-01_12-00", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("20261101T120000+0100", datetime(2026, 11, 1, 11, tzinfo=UTC)),
        ("20261101T120000-05:30", datetime(2026, 11, 1, 17, 30, tzinfo=UTC)),
        ("20261101120000-0417", datetime(2026, 11, 1, 12, tzinfo=UTC)),  # the number of a build
        ("shop-202611011200-9f8e7d6", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("20261301120000", None),
        ("20260230120000", None),
        ("20261101250000", None),
        ("20261101", None),  # a day is no moment
        ("v42", None),
        ("120261101120000", None),
        ("202611011200001", None),
    ],
)
def test_the_date_in_a_name_is_read(name: str, at: datetime | None) -> None:
    assert dated(name, UTC) == at


def test_a_date_without_a_zone_is_in_that_of_the_settings() -> None:
    assert dated("20261101120000", BERLIN) == datetime(2026, 11, 1, 11, tzinfo=UTC)
    assert dated("20261101T120000Z", BERLIN) == datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_a_time_zone_that_does_not_exist_is_refused_early() -> None:
    with pytest.raises(ValueError, match="must be a time zone such as Europe/Berlin"):
        ReleasesSettings(type="releases", root="shop", names_zone="Europe/Berlim")


async def test_the_name_says_more_than_a_folder_that_was_copied_without_its_times(
    world: ReleasesWorld,
) -> None:
    world.deploy("20261101120000", NOON)
    world.deploy("20261103120000", NOON)
    way = await world.executor().plan(Goal(before=datetime(2026, 11, 2, tzinfo=UTC)), NOW)
    assert way.point.id == "20261101120000"


async def test_a_date_that_never_was_leaves_the_time_to_the_folder(world: ReleasesWorld) -> None:
    world.deploy("20261301120000", NOON)
    assert (await _points(world))["20261301120000"].at == datetime.fromtimestamp(NOON, UTC)


async def test_the_zone_of_names_comes_from_the_settings(world: ReleasesWorld) -> None:
    world.deploy("20261101120000", NOON)
    executor = Releases(world.root, world.key, names_zone=BERLIN)
    points = {point.id: point for point in (await executor.points()).points}
    assert points["20261101120000"].at == datetime(2026, 11, 1, 11, tzinfo=UTC)


async def test_deployer_has_noted_when_by_whom_and_from_what(world: ReleasesWorld) -> None:
    for n in (1, 2):
        world.deploy(f"{n}", NOON)
    _notes(world, ".dep/releases_log", DEPLOYER + DEPLOYER_HEAD)
    (world.root / "releases" / "2" / "REVISION").write_text("34d24192e5c3d2f0a1b2c3d4e5f60718293a4b5c\n")
    points = await _points(world)
    assert (points["1"].at, points["1"].author, points["1"].label) == (
        datetime(2023, 7, 10, 13, 34, 29, tzinfo=UTC),
        "chirag",
        "1 · master",
    )
    assert (points["2"].author, points["2"].label) == ("conec734", "2 · 34d24192")


async def test_an_older_deployer_has_noted_when_in_the_zone_of_its_machine(world: ReleasesWorld) -> None:
    world.deploy("2", NOON)
    _notes(world, ".dep/releases", OLD_DEPLOYER)
    executor = Releases(world.root, world.key, names_zone=BERLIN)
    points = {point.id: point for point in (await executor.points()).points}
    assert points["2"].at == datetime(2023, 3, 11, 11, 4, 42, tzinfo=UTC)


async def test_capistrano_has_noted_by_whom_and_from_what(world: ReleasesWorld) -> None:
    world.deploy("20210630194504", NOON)
    _notes(world, "revisions.log", CAPISTRANO)
    point = (await _points(world))["20210630194504"]
    assert (point.at, point.author, point.label) == (
        datetime(2021, 6, 30, 19, 45, 4, tzinfo=UTC),
        "deploy",
        "20210630194504 · master 4588d9a2",
    )


async def test_who_put_there_what_is_live_is_known_when_that_was_noted_last(world: ReleasesWorld) -> None:
    world.deploy("20210630194504", NOON)
    _notes(world, "revisions.log", CAPISTRANO)
    world.point_at("20210630194504")
    assert (await world.executor().points()).current.author is None
    _notes(world, "revisions.log", CAPISTRANO + CAPISTRANO_BACK)
    assert (await world.executor().points()).current.author == "ana"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "[" * 100_000,
        '{"release_name": 7',
        '{"release_name": ["v41"]}\n{}\n[]\nnull',
        '{"release_name": "v41", "created_at": "yesterday", "user": {"a": 1}}',
        '{"release_name": "v41", "created_at": 7}',
        "\x00\xff",
    ],
)
async def test_a_record_in_another_form_says_nothing_about_the_time(world: ReleasesWorld, text: str) -> None:
    before = (await _points(world))["v41"].at
    for name in (".dep/releases_log", ".dep/releases", "revisions.log"):
        _notes(world, name, text)
    assert (await _points(world))["v41"].at == before


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]
)
async def test_the_zero_and_the_end_of_a_calendar_in_a_record_are_no_times(
    world: ReleasesWorld, at: str
) -> None:
    world.deploy("1", NOON)
    _notes(
        world,
        ".dep/releases_log",
        f'{{"created_at":"{at}","release_name":"1","user":"ana","target":"main"}}\n',
    )
    assert (await _points(world))["1"].at == datetime.fromtimestamp(NOON, UTC)


def test_a_name_that_is_dated_before_all_times_in_its_zone_tells_none() -> None:
    assert dated("19000101000000", BERLIN) is None


async def test_a_record_that_is_no_plain_file_is_left_alone(world: ReleasesWorld, tmp_path: Path) -> None:
    (world.root / ".dep").mkdir()
    os.mkfifo(world.root / ".dep" / "releases_log")
    (tmp_path / "elsewhere").write_text("mallory rolled back to release v42\n")
    (world.root / "revisions.log").symlink_to(tmp_path / "elsewhere")
    assert (await world.executor().points()).current.author is None


async def test_of_a_long_record_the_end_is_read(world: ReleasesWorld) -> None:
    world.deploy("1", NOON)
    _notes(world, ".dep/releases_log", DEPLOYER_HEAD * 5000 + DEPLOYER)
    assert (await _points(world))["1"].author == "chirag"


async def test_equal_times_are_in_the_order_of_their_names_and_numbers_count_as_such(
    world: ReleasesWorld,
) -> None:
    for n in (9, 10, 100):
        world.deploy(f"r{n}", NOON)
    listed = (await world.executor().points()).points
    assert [point.id for point in listed][-3:] == ["r100", "r10", "r9"]
    way = await world.executor().plan(Goal(before=datetime.fromtimestamp(NOON, UTC)), NOW)
    assert way.point.id == "r100"


# What nobody should go to unasked


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("BAD_RELEASE", "v41 is marked as bad (BAD_RELEASE)."),
        ("DIRTY_RELEASE", "v41 was changed after it was deployed (DIRTY_RELEASE)."),
        (
            "DEPLOY_UNFINISHED",
            "v41 was never deployed to the end, or was taken back: the next deploy may remove it "
            "(DEPLOY_UNFINISHED).",
        ),
    ],
)
async def test_a_marked_release_is_doubted_in_list_and_plan(
    world: ReleasesWorld, mark: str, words: str
) -> None:
    (world.root / "releases" / "v41" / mark).write_text("2026-11-22T12:45:00+0000,ana\n")
    assert (await _points(world))["v41"].doubt == words
    assert words in (await world.executor().plan(Goal(point="v41"), NOW)).warnings


async def test_a_release_that_deployer_is_still_making_is_doubted(world: ReleasesWorld) -> None:
    world.deploy("v43", NOON)
    (world.root / "release").symlink_to(world.root / "releases" / "v43")
    points = await _points(world)
    assert points["v43"].doubt == "v43 is not finished: the link `release` still names it."
    assert points["v41"].doubt == ""


async def test_a_release_without_any_file_is_doubted(world: ReleasesWorld) -> None:
    (world.root / "releases" / "v39" / "public" / "css").mkdir(parents=True)
    way = await world.executor().plan(Goal(point="v39"), NOW)
    assert way.point.doubt == "v39 is empty: there is no file in it."
    assert way.point.doubt in way.warnings


async def test_a_bad_release_keeps_its_time_when_the_name_has_it(world: ReleasesWorld) -> None:
    """The mark itself moves the folder's own time."""
    world.deploy("20261101120000", NOON)
    (world.root / "releases" / "20261101120000" / "BAD_RELEASE").write_text("now")
    assert (await _points(world))["20261101120000"].at == datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "at", [datetime(2026, 10, 25, 0, 10, tzinfo=UTC), datetime(2026, 10, 25, 1, 10, tzinfo=UTC)]
)
async def test_of_a_time_that_happened_twice_the_folder_says_which(
    world: ReleasesWorld, at: datetime
) -> None:
    folder = world.root / "releases" / "20261025021000"
    folder.mkdir()
    os.utime(folder, (at.timestamp(), at.timestamp()))
    executor = Releases(world.root, world.key, names_zone=BERLIN)
    found = {point.id: point.at for point in (await executor.points()).points}
    assert found["20261025021000"] == at


async def test_a_release_of_which_nothing_counts_is_in_doubt(world: ReleasesWorld) -> None:
    (world.root / "releases" / "v39" / "var").mkdir(parents=True)
    (world.root / "releases" / "v39" / "var" / "app.log").write_text("started")
    executor = Releases(world.root, world.key, ignored=["var"])
    found = {point.id: point.doubt for point in (await executor.points()).points}
    assert found["v39"] == "v39 is empty: there is no file in it."
