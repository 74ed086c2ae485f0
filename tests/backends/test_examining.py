"""`doctor` looks at the restore points of any backend: what is odd is said before they are needed."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.examining import about_points
from backends.sqlite.executor import Sqlite
from bot.contract import Trouble
from bot.model import Current, PointKind, Points, RestorePoint
from tests.backends.git.world import GitWorld
from tests.backends.releases.world import ReleasesWorld
from tests.backends.sqlite.world import SqliteWorld

NOW = datetime(2026, 11, 22, 13, tzinfo=UTC)


def said(points: Points) -> list[tuple[str, bool]]:
    return [(trouble.words, trouble.serious) for trouble in about_points(points, NOW)]


def dated(at: datetime | None, *left_out: str) -> Points:
    return Points((RestorePoint("p1", at),), Current("p1", "token"), left_out=left_out)


def test_nothing_is_said_of_points_as_they_should_be() -> None:
    assert said(dated(NOW - timedelta(days=3))) == []


def test_nothing_is_said_of_points_where_there_are_none() -> None:
    assert said(Points((), Current("p1", "token"))) == []


def test_points_that_nobody_makes_any_more_are_told() -> None:
    old = "The newest restore point is 40 days old. See whether new ones are still made."
    assert said(dated(NOW - timedelta(days=40))) == [(old, False)]


def test_what_was_saved_before_a_run_is_no_sign_that_points_are_still_made() -> None:
    saved = RestorePoint("pre-RB-7", NOW, kind=PointKind.UNDO)
    old = RestorePoint("p1", NOW - timedelta(days=40))
    words = [words for words, _ in said(Points((saved, old), Current("p1", "token")))]
    assert words == ["The newest restore point is 40 days old. See whether new ones are still made."]


def test_a_wrong_date_further_back_is_no_clock_that_is_ahead() -> None:
    wrong = RestorePoint("p0", NOW + timedelta(days=3_000))
    assert said(Points((RestorePoint("p1", NOW), wrong), Current("p1", "token"))) == []


def test_points_of_a_time_to_come_are_serious() -> None:
    ahead = "The newest restore point is of a time to come."
    assert said(dated(NOW + timedelta(hours=1))) == [
        (f"{ahead} Compare the clocks of its backend and of this machine.", True)
    ]


def test_points_without_a_time_are_told() -> None:
    undated = "No restore point says of when it is: nobody can go back to a time."
    assert said(dated(None)) == [(undated, False)]


def test_what_is_left_out_is_told_with_where_the_rest_is_named() -> None:
    [(words, serious)] = said(dated(NOW, "`a` is empty.", "`b` is a link."))
    assert words == "Left out of the restore points: `a` is empty. `rollback-bot points` says what else."
    assert not serious


@pytest.fixture
def shop(tmp_path: Path) -> ReleasesWorld:
    return ReleasesWorld.make(tmp_path / "shop")


async def test_releases_as_they_should_be_are_in_order(shop: ReleasesWorld) -> None:
    assert await shop.executor().examine() == ()
    shop.close()


async def test_a_single_earlier_release_is_told(shop: ReleasesWorld) -> None:
    shop.loses("v40")
    words = "v41 is the only release besides what is live: whoever goes there has no other way."
    do = "Let whatever deploys keep more of them."
    assert await shop.executor().examine() == (Trouble(f"{words} {do}", serious=False),)
    shop.close()


async def test_a_repository_as_it_should_be_is_in_order(tmp_path: Path) -> None:
    world = GitWorld.make(tmp_path / "shop")
    assert await world.executor().examine() == ()
    world.close()


@pytest.fixture
def orders(tmp_path: Path) -> SqliteWorld:
    world = SqliteWorld.make(tmp_path / "shop")
    world.close()
    return world


def looking(world: SqliteWorld) -> Sqlite:
    return Sqlite(world.database, world.backups, world.key, clock=lambda: NOW)


async def test_backups_as_they_should_be_are_in_order(orders: SqliteWorld) -> None:
    assert await looking(orders).examine() == ()


async def test_undo_points_that_pile_up_are_told_with_what_drops_them(orders: SqliteWorld) -> None:
    for n in range(1, 11):
        saved = orders.backups / f"pre-RB-{n}.db"
        shutil.copy2(orders.backups / "20261122T100000Z.db", saved)
    [trouble] = [one for one in await looking(orders).examine() if "undo_days" in one.words]
    assert trouble.words.startswith(
        "10 of its restore points are states saved before runs, each a whole copy."
    )
    assert not trouble.serious
