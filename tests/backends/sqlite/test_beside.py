"""A copy of a backup beside the live database: who may read it, what is left of one that was not finished."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from backends.conformance.harness import carried_out, dropping, preparing, work_for
from backends.marker import FOLDER, Marker, Markers, MarkerStage
from backends.room import refuse_without_room
from backends.sqlite.beside import COPIES, copy_file, unfinished_of
from backends.sqlite.executor import Sqlite
from bot.clock import utc_now
from bot.contract import (
    COPY,
    COPY_OF,
    COPY_URL,
    Blocked,
    Busy,
    Ended,
    Fate,
    PointUnavailable,
    StateChanged,
    Taken,
    Unsupported,
    Work,
)
from bot.model import Beside, Do, Finding, Goal, Verdict
from tests.backends.sqlite.world import SqliteWorld

POINT = "20261122T080000Z"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SqliteWorld]:
    world = SqliteWorld.make(tmp_path / "world")
    yield world
    world.close()


@pytest.fixture
def executor(world: SqliteWorld) -> Sqlite:
    return world.executor()


@pytest_asyncio.fixture
async def work(executor: Sqlite) -> Work:
    """For a drill: it expects nothing of what is live."""
    return preparing(replace(work_for(await executor.plan(Goal(point=POINT), utc_now())), expected=""))


async def copied(executor: Sqlite, work: Work) -> Beside:
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    assert isinstance(end.made, Beside)
    return end.made


def verdicts(findings: tuple[Finding, ...]) -> dict[str, Verdict | None]:
    return {finding.name: finding.verdict for finding in findings}


async def test_the_copy_has_every_row_of_the_backup_and_nobody_else_may_read_it(
    executor: Sqlite, work: Work
) -> None:
    file = Path((await copied(executor, work)).environment[COPY])
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("select count(*) from orders").fetchone() == (200,)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_checks_are_told_where_the_copy_is_and_what_it_is_a_copy_of(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    told = (await copied(executor, work)).environment
    assert told[COPY_URL] == f"sqlite:///{told[COPY]}"
    assert told[COPY_OF] == str(world.database)


async def test_the_copy_is_no_restore_point(executor: Sqlite, work: Work) -> None:
    before = await executor.points()
    await copied(executor, work)
    assert await executor.points() == before


async def test_a_copy_in_which_a_byte_differs_does_not_pass(executor: Sqlite, work: Work) -> None:
    file = Path((await copied(executor, work)).environment[COPY])
    with file.open("r+b") as copy:
        copy.seek(5000)
        copy.write(b"\xff")
    assert verdicts(await executor.verify(work)) == {"copy": Verdict.FAILED}


async def test_what_is_whole_is_seen_in_its_bytes_and_by_the_check_of_sqlite(
    executor: Sqlite, work: Work
) -> None:
    await copied(executor, work)
    seen = verdicts(await executor.verify(work))
    assert seen == {"copy": Verdict.PASSED, "integrity": Verdict.PASSED}


async def test_another_backup_than_the_approved_one_is_not_copied(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    world.back_up(POINT)
    with pytest.raises(StateChanged, match="is not what was approved"):
        await carried_out(executor, work)
    assert not copy_file(world.backups / FOLDER, work.op_id).exists()


async def test_the_state_of_a_damaged_database_is_not_copied(world: SqliteWorld, executor: Sqlite) -> None:
    world.close()  # which empties its WAL into the file
    world.database.write_bytes(b"not a database at all, and longer than its header is" * 100)
    way = await executor.plan(Goal(point=POINT), utc_now())
    saved = await carried_out(executor, replace(work_for(way, n=2), do=Do.SAVE))
    assert isinstance(saved, Ended)
    assert saved.made is not None
    raw = preparing(replace(work_for(way, run="RB-43"), point=saved.made.id, fingerprint="", expected=""))
    with pytest.raises(Unsupported, match="cannot be looked into"):
        await carried_out(executor, raw)


async def test_what_somebody_who_was_killed_has_left_goes_with_the_copy(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    left = unfinished_of(copy_file(world.backups / FOLDER, work.op_id))
    copy = await copied(executor, work)
    left.write_bytes(b"half")
    await carried_out(executor, dropping(work, prepared=copy.id))
    assert not left.exists()
    assert not Path(copy.environment[COPY]).exists()


async def test_a_copy_that_nobody_finished_is_begun_anew(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    left = unfinished_of(copy_file(world.backups / FOLDER, work.op_id))
    left.parent.mkdir(mode=0o700, exist_ok=True)
    left.write_bytes(b"half")
    await copied(executor, work)
    assert verdicts(await executor.verify(work))["copy"] is Verdict.PASSED


async def test_nothing_outside_the_folder_of_copies_is_dropped(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    (world.root / "outside.copy.db").write_text("mine")
    with pytest.raises(PointUnavailable, match="is no copy of ours"):
        await carried_out(executor, dropping(work, prepared="../../outside"))
    assert (world.root / "outside.copy.db").exists()


def test_a_disk_without_room_is_said_before_the_first_byte(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    with pytest.raises(Blocked, match="The copy needs"):
        refuse_without_room(tmp_path, free.f_blocks * free.f_frsize + 1)


def test_a_copy_leaves_room_for_what_is_live_on_the_same_disk(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    with pytest.raises(Blocked, match="are left for whatever else is on it"):
        refuse_without_room(tmp_path, free.f_bavail * free.f_frsize)


async def test_what_others_have_left_beside_a_copy_goes_with_it(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    await carried_out(executor, work)
    copy = copy_file(world.backups / FOLDER, work.op_id)
    for suffix in ("-wal", "-shm", "-journal"):
        copy.with_name(f"{copy.name}{suffix}").write_text("pages")
    await carried_out(executor, dropping(work, prepared=work.op_id))
    assert list((world.backups / FOLDER).glob("*.copy.*")) == []


async def test_what_stands_in_the_place_of_a_copy_is_none(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    copy_file(world.backups / FOLDER, work.op_id).mkdir(parents=True)
    (world.backups / FOLDER).chmod(0o700)
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    assert not end.ok
    assert (await world.executor().find(work)).fate is Fate.ABSENT


async def test_a_copy_whose_maker_was_killed_is_absent_and_begun_anew(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    slot = Markers(world.backups, world.key).take(work.op_id)
    assert slot is not None
    with slot:
        copy = copy_file(world.backups / FOLDER, work.op_id)
        slot.write(Marker(work.digest, work.point, "", MarkerStage.TAKEN, {COPIES: copy.name}))
    assert (await executor.find(replace(work, handle={"op_id": work.op_id}))).fate is Fate.ABSENT
    await copied(executor, work)


async def test_a_copy_that_is_being_made_is_not_dropped(
    world: SqliteWorld, executor: Sqlite, work: Work
) -> None:
    slot = Markers(world.backups, world.key).take(work.op_id)
    assert slot is not None
    with slot, pytest.raises(Busy, match="still being made"):
        await carried_out(executor, dropping(work, prepared=work.op_id))


async def test_what_was_dropped_before_it_was_made_is_never_made(executor: Sqlite, work: Work) -> None:
    await carried_out(executor, dropping(work, prepared=work.op_id))
    assert await executor.start(work) is Taken.TAKEN
    assert (await executor.find(work)).fate is Fate.FAILED
