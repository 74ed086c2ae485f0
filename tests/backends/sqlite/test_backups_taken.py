"""Backups that the bot takes itself: called like those of others, whole, and never over somebody's file."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from backends.conformance.harness import carried_out, kept, saving, work_for
from backends.sqlite.executor import Sqlite
from backends.sqlite.names import DEFAULT_NAMES, Pattern
from bot.clock import utc_now
from bot.contract import Blocked, Ended, Fate, Unsupported, Work
from bot.model import Goal, PointKind
from tests.backends.sqlite.world import SqliteWorld

MOMENT = datetime(2026, 11, 22, 10, 30, 5, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SqliteWorld]:
    world = SqliteWorld.make(tmp_path / "world")
    yield world
    world.close()


def executor(world: SqliteWorld, names: tuple[str, ...] = DEFAULT_NAMES) -> Sqlite:
    return Sqlite(world.database, world.backups, world.key, names=names, clock=lambda: MOMENT)


async def backing_up(executor: Sqlite) -> Work:
    way = await executor.plan(Goal(point=(await executor.points()).points[0].id), utc_now())
    return replace(work_for(way, run="BK-7"), is_backup=True)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("%Y%m%dT%H%M%SZ.db", "20261122T103005Z"),
        ("orders-%Y-%m-%d_%H.%M.%S.sqlite3", "orders-2026-11-22_10.30.05.sqlite3"),
        ("db*-%s.db", "dbbot-1795343405"),
        ("%Y%m%dT%H%M%S%z.db", "20261122T103005+0000"),
    ],
)
async def test_one_is_called_as_the_settings_say_and_is_a_backup_like_any_other(
    world: SqliteWorld, form: str, name: str
) -> None:
    taking = executor(world, (form, "%Y%m%dT%H%M%SZ.db"))
    saved = await kept(taking, await backing_up(taking))
    assert saved is not None
    assert (saved.id, saved.kind, saved.at) == (name, PointKind.BACKUP, MOMENT)
    assert name in {point.id for point in (await taking.points()).points}


async def test_a_form_that_tells_the_second_is_taken_though_another_stands_first(world: SqliteWorld) -> None:
    taking = executor(world, ("daily-%Y-%m-%d.db", *DEFAULT_NAMES))
    saved = await kept(taking, await backing_up(taking))
    assert saved is not None
    assert saved.id == "20261122T103005Z"


async def test_without_such_a_form_nothing_is_saved(world: SqliteWorld) -> None:
    work = await backing_up(executor(world))
    with pytest.raises(Unsupported, match="tells the second"):
        await carried_out(executor(world, ("%Y%m%dT%H0000Z.db",)), saving(work))


async def test_a_file_that_stands_there_stays_and_the_next_second_is_taken(
    world: SqliteWorld,
) -> None:
    world.back_up("20261122T103005Z")
    before = (world.backups / "20261122T103005Z.db").read_bytes()
    taking = executor(world)
    saved = await kept(taking, await backing_up(taking))
    assert saved is not None
    assert saved.id == "20261122T103006Z"
    assert (world.backups / "20261122T103005Z.db").read_bytes() == before


async def test_it_is_one_whole_file_with_the_mode_of_the_database(world: SqliteWorld) -> None:
    world.database.chmod(0o640)
    taking = executor(world)
    saved = await kept(taking, await backing_up(taking))
    assert saved is not None
    file = world.backups / f"{saved.id}.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(world.backups.glob(f"{saved.id}*")) == [file]
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_of_a_damaged_database_no_backup_is_taken(world: SqliteWorld) -> None:
    world.close()
    size = world.database.stat().st_size
    with open(world.database, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 8192))
    taking, before = executor(world), sorted(world.backups.glob("2*"))
    work = await backing_up(taking)
    with pytest.raises(Blocked, match="no backup of it is taken"):
        await carried_out(taking, saving(work))
    assert sorted(world.backups.glob("2*")) == before
    assert (await taking.find(saving(work))).fate is Fate.ABSENT


async def test_what_came_to_nothing_leaves_no_half_of_it(world: SqliteWorld) -> None:
    """The damage is in the middle, so only the look at what was saved sees it."""
    world.close()
    with open(world.database, "r+b") as file:
        file.seek(12 * 4096)
        file.write(b"\xff" * 2048)
    taking = executor(world)
    work = replace(await backing_up(taking), expected=(await taking.points()).current.token)
    end = await carried_out(taking, saving(work))
    assert isinstance(end, Ended)
    assert not end.ok
    assert list((world.backups / ".rollback").glob("*.db*")) == []


async def test_without_room_for_it_and_its_copy_nothing_is_saved(
    world: SqliteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = executor(world)
    work = await backing_up(taking)
    size = world.database.stat().st_size
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(100 * size, 94 * size, 6 * size))
    with pytest.raises(Blocked, match="free some space"):
        await carried_out(taking, saving(work))


class Usage(NamedTuple):
    total: int
    used: int
    free: int


async def test_notes_of_backups_long_ago_are_forgotten_and_no_others(world: SqliteWorld) -> None:
    taking = executor(world)
    work = await backing_up(taking)
    await kept(taking, replace(work, run_id="BK-1", op_id="k7f3a91c.BK-1.3"))
    await kept(taking, replace(work, run_id="RB-42", op_id="k7f3a91c.RB-42.3", is_backup=False))
    notes = world.backups / ".rollback"
    for path in notes.iterdir():
        os.utime(path, (0, 0))
    await kept(taking, work)
    assert {path.name.split(".")[1] for path in notes.iterdir()} == {"RB-42", "BK-7"}


def test_a_name_of_a_form_fits_that_form() -> None:
    for form in ("%Y%m%dT%H%M%SZ.db", "x-%s", "*%Y-%m-%d-%H-%M-%S", "%Y%m%d%H%M%S%z.db"):
        assert Pattern(form).fits(Pattern(form).at(MOMENT)), form
