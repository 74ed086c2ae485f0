"""What was approved is what is restored: the content of the backup, over the file that was meant."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import PATIENCE_SECONDS, carried_out, ended, saving, work_for
from backends.file_digests import DIGESTS
from backends.marker import Marker, Markers, MarkerStage
from backends.sqlite.copying import Copy, CopyRoute
from backends.sqlite.executor import Sqlite
from backends.sqlite.held import held
from backends.sqlite.reading import connect, identity, place_of
from bot.contract import Fate, StateChanged, Taken, Work
from bot.errors import PermanentError
from bot.model import Finding, Goal, Left, Verdict
from tests.backends.sqlite.world import SqliteJournalWorld, SqliteWorld, content

TEN = "20261122T100000Z"
NOW = datetime(2026, 11, 22, 10, 17, tzinfo=UTC)
SLOW = 100  # pages a second: the world has about 60
Swap = Callable[[Path], None]


@pytest.fixture(params=[SqliteWorld, SqliteJournalWorld], ids=["wal", "journal"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteWorld]:
    world = request.param.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def backup(world: SqliteWorld) -> Path:
    return world.backups / f"{TEN}.db"


async def _work(executor: Sqlite) -> Work:
    return work_for(await executor.plan(Goal(point=TEN), NOW))


# Ways to put another backup in the place of one, of the same name, schema, size and number of rows


def _twin(backup: Path) -> Path:
    """Outside of the folder, so that nobody sees it come."""
    twin = backup.parent.parent / "twin.db"
    twin.write_bytes(backup.read_bytes())
    with closing(sqlite3.connect(twin, isolation_level=None)) as database:
        database.execute("UPDATE orders SET total = 666 WHERE id = 1")
    return twin


def edited(backup: Path) -> None:
    changed = _twin(backup).read_bytes()
    with open(backup, "r+b") as file:
        file.write(changed)


def edited_with_the_old_time(backup: Path) -> None:
    before = backup.stat()
    edited(backup)
    os.utime(backup, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed_over(backup: Path) -> None:
    os.replace(_twin(backup), backup)


def replaced_by_a_link(backup: Path) -> None:
    twin = _twin(backup)
    backup.unlink()
    backup.symlink_to(twin)


def taken_away(backup: Path) -> None:
    os.replace(backup, backup.parent.parent / "kept.db")


def swapped_and_swapped_back(backup: Path) -> None:
    taken_away(backup)
    os.replace(_twin_of_kept(backup), backup)
    os.replace(backup.parent.parent / "kept.db", backup)


def _twin_of_kept(backup: Path) -> Path:
    twin = backup.parent.parent / "other.db"
    twin.write_bytes((backup.parent.parent / "kept.db").read_bytes())
    return twin


def edited_and_edited_back(backup: Path) -> None:
    before = backup.read_bytes()
    edited(backup)
    with open(backup, "r+b") as file:
        file.write(before)


def in_another_folder(backup: Path) -> None:
    """Nothing about the file itself moves."""
    kept = backup.parent.with_name("kept")
    os.rename(backup.parent, kept)
    shutil.copytree(kept, backup.parent)
    renamed_over(backup)


SWAPS = [edited, edited_with_the_old_time, renamed_over, replaced_by_a_link, taken_away]
THERE_AND_BACK = [swapped_and_swapped_back, edited_and_edited_back]


# Before the restore


@pytest.mark.parametrize("swap", SWAPS)
async def test_another_backup_than_the_approved_one_is_not_restored(
    world: SqliteWorld, backup: Path, swap: Swap
) -> None:
    executor = world.executor()
    work, before = await _work(executor), world.live()
    swap(backup)
    with pytest.raises(PermanentError):
        await executor.start(work)
    assert (world.live(), world.effects()) == (before, 0)
    assert (await executor.find(work)).fate is Fate.ABSENT


async def test_the_sentence_names_the_backup_and_both_contents(world: SqliteWorld, backup: Path) -> None:
    executor = world.executor()
    work = await _work(executor)
    renamed_over(backup)
    with pytest.raises(StateChanged) as refusal:
        await executor.start(work)
    for told in (TEN, work.fingerprint[:8], DIGESTS.of(backup)[:8]):
        assert told in str(refusal.value)


async def test_a_second_name_for_a_backup_voids_nothing(world: SqliteWorld, backup: Path) -> None:
    """As `cp -al` of the folder gives each file, and moves the time of its last change."""
    executor = world.executor()
    work, there = await _work(executor), world.holds(TEN)
    os.link(backup, backup.parent.parent / "linked.db")
    await carried_out(executor, work)
    assert (world.live(), world.effects()) == (there, 1)


async def test_a_plan_that_pinned_nothing_is_carried_out(world: SqliteWorld) -> None:
    executor = world.executor()
    there = world.holds(TEN)
    await carried_out(executor, replace(await _work(executor), fingerprint=""))
    assert world.live() == there


@pytest.mark.parametrize("swap", [renamed_over, replaced_by_a_link])
def test_what_sqlite_opens_is_what_was_hashed(backup: Path, swap: Swap) -> None:
    """Even when everything is as it was a moment later."""
    with held(backup) as hashed:
        swap(backup)
        with pytest.raises(StateChanged), hashed.opened():
            pytest.fail("SQLite has opened another file.")


@pytest.mark.parametrize("swap", [*SWAPS, *THERE_AND_BACK, in_another_folder])
def test_whatever_was_touched_while_it_was_held_is_noticed(backup: Path, swap: Swap) -> None:
    with held(backup) as hashed:
        hashed.check()
        swap(backup)
        with pytest.raises(StateChanged, match=TEN):
            hashed.check()


# While it is copied


@pytest.mark.parametrize("swap", [*SWAPS, *THERE_AND_BACK])
async def test_a_swap_while_it_is_copied_is_taken_back(world: SqliteWorld, backup: Path, swap: Swap) -> None:
    slow = Sqlite(world.database, world.backups, world.key, pages_per_second=SLOW)
    work, before = await _work(slow), world.live()
    assert await slow.start(work) is not Taken.TAKEN
    swap(backup)
    end = await ended(slow, work)
    assert (end.ok, end.left) == (False, Left.BEFORE)
    assert TEN in end.words
    assert (world.live(), world.effects()) == (before, 0)
    assert (await slow.find(work)).fate is Fate.FAILED


# The file that is changed


def _replaced(world: SqliteWorld) -> None:
    """By another file of the same schema."""
    world.close()
    other = world.root / "other.db"
    with closing(sqlite3.connect(world.database)) as live, closing(sqlite3.connect(other)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    os.replace(other, world.database)


async def test_another_file_in_the_place_of_the_database_is_another_identity(world: SqliteWorld) -> None:
    executor = world.executor()
    before = (await executor.points()).current
    _replaced(world)
    after = (await executor.points()).current
    assert after.token != before.token
    assert (after.id, after.label) == (before.id, before.label)


def test_a_place_is_the_file_and_where_it_really_is(world: SqliteWorld, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(world.database)
    os.link(world.database, tmp_path / "second name")
    assert place_of(tmp_path / "link") == place_of(world.database)
    assert place_of(tmp_path / "second name") != place_of(world.database)


@pytest.mark.parametrize("kind", ["replaced", "a link to another file"])
async def test_nothing_is_restored_over_another_file_of_the_same_schema(
    world: SqliteWorld, tmp_path: Path, kind: str
) -> None:
    link = tmp_path / "orders"
    link.symlink_to(world.database)
    executor = Sqlite(link, world.backups, world.key)
    work = await _work(executor)
    if kind == "replaced":
        _replaced(world)
    else:
        (tmp_path / "second.db").write_bytes((world.backups / "20261122T090000Z.db").read_bytes())
        with closing(sqlite3.connect(tmp_path / "second.db")) as second:
            second.execute("ALTER TABLE orders ADD COLUMN discount INTEGER DEFAULT 0")
        link.unlink()
        link.symlink_to(tmp_path / "second.db")
    before = content(link)
    with pytest.raises(StateChanged, match="another file"):
        await executor.start(work)
    with pytest.raises(StateChanged, match="another file"):
        await executor.start(saving(work))
    assert content(link) == before
    assert not list(world.backups.glob("pre-*"))


def test_the_file_is_compared_when_nobody_else_can_write_any_more(world: SqliteWorld) -> None:
    with closing(connect(world.database)) as live:
        token = f"{identity(live)}@another place"
    before = world.live()
    slot = Markers(world.backups, world.key).take("k7f3a91c.RB-42.3")
    assert slot is not None
    route = CopyRoute(world.backups / f"{TEN}.db", "", world.database, None, PATIENCE_SECONDS)
    copy = Copy(route, Marker("d" * 64, TEN, token, MarkerStage.TAKEN), slot)
    copy.start()
    with pytest.raises(StateChanged, match="another file"):
        copy.begun.result(PATIENCE_SECONDS)
    assert copy.ended.wait(PATIENCE_SECONDS)
    assert (world.live(), world.effects()) == (before, 0)


async def test_only_a_plan_of_an_earlier_version_may_leave_the_file_open(world: SqliteWorld) -> None:
    executor = world.executor()
    work, there = await _work(executor), world.holds(TEN)
    bare = replace(work, expected=work.expected.partition("@")[0])
    with pytest.raises(StateChanged):
        await executor.start(bare)
    assert world.effects() == 0
    await carried_out(executor, replace(bare, unsigned=True))
    assert (world.live(), world.effects()) == (there, 1)


# Verification


async def _verified(executor: Sqlite, work: Work) -> dict[str, Finding]:
    return {finding.name: finding for finding in await executor.verify(work)}


async def test_another_backup_by_now_proves_nothing(world: SqliteWorld, backup: Path) -> None:
    executor = world.executor()
    work = await _work(executor)
    await carried_out(executor, work)
    renamed_over(backup)
    findings = await _verified(executor, work)
    for name in ("restored database", "rows"):
        assert findings[name].verdict is Verdict.INCONCLUSIVE
        assert "not what was approved" in findings[name].words


async def test_a_planted_note_that_it_is_done_is_no_restore(world: SqliteWorld) -> None:
    """Who may write to the folder of backups knows the op id, and the plan's digest from the card."""
    executor = world.executor()
    work, before = await _work(executor), world.live()
    folder = world.backups / ".rollback"
    folder.mkdir(exist_ok=True)
    (folder / f"{work.op_id}.lock").touch()
    facts: dict[str, str | int] = {"schema": work.expected.partition("@")[0], "version": world.version() - 1}
    planted = Marker(work.digest, TEN, work.expected, MarkerStage.DONE, facts)
    (folder / f"{work.op_id}.json").write_text(json.dumps(asdict(planted)))
    assert await executor.start(work) is Taken.TAKEN
    assert (await executor.find(work)).fate is Fate.UNKNOWN
    assert Verdict.INCONCLUSIVE in {finding.verdict for finding in await executor.verify(work)}
    assert (await _verified(executor, work))["restored database"].verdict is not Verdict.PASSED
    assert world.live() == before


async def test_rows_that_nobody_can_have_written_are_inconclusive(world: SqliteWorld) -> None:
    executor = world.executor()
    work = replace(await _work(executor), in_maintenance=True)
    await carried_out(executor, work)
    assert (await _verified(executor, work))["rows of orders"].verdict is Verdict.PASSED
    world.sell(2)
    finding = (await _verified(executor, work))["rows of orders"]
    assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, 2)
