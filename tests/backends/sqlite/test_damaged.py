"""A database that is damaged, cut off, overwritten, empty or gone is told, kept, restored and put back."""

import os
import shutil
import signal
import sqlite3
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import (
    PATIENCE_SECONDS,
    carried_out,
    ended,
    kept,
    saving,
    strangers,
    work_for,
)
from backends.marker import Marker, Markers, MarkerStage, Slot
from backends.sqlite import bytewise
from backends.sqlite.backups import RAW
from backends.sqlite.condition import AT_ONCE_BYTES, look
from backends.sqlite.executor import Sqlite
from backends.sqlite.parts import PARTS, part
from backends.sqlite.reading import OutOfTime, connect, identity
from backends.sqlite.saving import Saving, UndoFile
from backends.sqlite.telling import loss_of
from bot.contract import Busy, Ended, Fate, StateChanged, Work
from bot.errors import PermanentError
from bot.model import Goal, Left, LossQuality, UndoMode, Verdict, Way
from tests.backends.sqlite.test_executor import ClosingMarkers
from tests.backends.sqlite.world import SqliteJournalWorld, SqliteWorld, content

TEN = "20261122T100000Z"
NOW = datetime(2026, 11, 22, 10, 17, tzinfo=UTC)
WAIT_SECONDS = 0.05
Damage = Callable[[SqliteWorld], None]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One world of each kind, made once; its application has stopped."""
    shops = tmp_path_factory.mktemp("shops")
    for kind in (SqliteWorld, SqliteJournalWorld):
        kind.make(shops / kind.journal).close()
    return shops


@pytest.fixture
def world(shops: Path, tmp_path: Path) -> SqliteWorld:
    return _copied(SqliteWorld, shops, tmp_path)


@pytest.fixture
def journal(shops: Path, tmp_path: Path) -> SqliteWorld:
    return _copied(SqliteJournalWorld, shops, tmp_path)


def _copied(kind: type[SqliteWorld], shops: Path, tmp_path: Path) -> SqliteWorld:
    shutil.copytree(shops / kind.journal, tmp_path / "shop")
    return kind(tmp_path / "shop")


# Ways in which a database is damaged. The application has stopped; one that runs comes further below.


def a_corrupt_page(world: SqliteWorld) -> None:
    with closing(sqlite3.connect(world.database)) as live:
        (page,) = live.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'orders'").fetchone()
    _overwrite(world.database, (page - 1) * 4096, b"\x07" * 4096)


def _overwrite(path: Path, at: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(content)


def cut_off(world: SqliteWorld) -> None:
    os.truncate(world.database, world.database.stat().st_size // 2)


def cut_off_in_the_header(world: SqliteWorld) -> None:
    os.truncate(world.database, 50)


def an_overwritten_header(world: SqliteWorld) -> None:
    _overwrite(world.database, 0, b"\0" * 100)


def another_file(world: SqliteWorld) -> None:
    world.database.write_text("the minutes of the meeting\n" * 300)


def emptied(world: SqliteWorld) -> None:
    os.truncate(world.database, 0)


def gone(world: SqliteWorld) -> None:
    world.database.unlink()


def emptied_beside_its_wal(world: SqliteWorld) -> None:
    _with_a_wal(world, lambda: os.truncate(world.database, 0))


def gone_beside_its_wal(world: SqliteWorld) -> None:
    _with_a_wal(world, world.database.unlink)


def overwritten_beside_its_wal(world: SqliteWorld) -> None:
    """Of another database: SQLite cannot open the one with the other."""
    _with_a_wal(world, lambda: world.database.write_bytes(b"no database" * 1000))
    _overwrite(part(world.database, "-wal"), 32, b"\x07" * 4096)


def _with_a_wal(world: SqliteWorld, damage: Callable[[], object]) -> None:
    """As it is left when the application is killed."""
    with closing(sqlite3.connect(world.database, isolation_level=None)) as app:
        app.execute("PRAGMA journal_mode = wal")
        app.execute("UPDATE orders SET total = 5")
        left = {suffix: part(world.database, suffix).read_bytes() for suffix in ("-wal", "-shm")}
    for suffix, held in left.items():
        part(world.database, suffix).write_bytes(held)
    damage()


# Each with the words that the plan must have for it.
DAMAGES: Mapping[Damage, str] = {
    a_corrupt_page: "SQLite says: ",
    cut_off: "SQLite says: database disk image is malformed",
    cut_off_in_the_header: "SQLite says: ",
    an_overwritten_header: "It was overwritten, or is encrypted, or was never one",
    another_file: "It was overwritten, or is encrypted, or was never one",
    emptied: "is an empty file",
    emptied_beside_its_wal: "is an empty file",
    gone: "is gone",
    gone_beside_its_wal: "is gone",
    overwritten_beside_its_wal: "It was overwritten, or is encrypted, or was never one",
}
WITH_A_TRACE = [damage for damage in DAMAGES if damage is not gone]
BESIDE_A_WAL = [emptied_beside_its_wal, gone_beside_its_wal, overwritten_beside_its_wal]


def _files(world: SqliteWorld) -> dict[str, tuple[bytes, int, int, int]]:
    """Content, mode, user and group of all that holds something: a -shm is made anew by every reader."""
    found = {}
    for suffix in ("", "-wal", "-journal"):
        path = part(world.database, suffix)
        if path.exists():
            of = path.stat()
            found[suffix] = (path.read_bytes(), of.st_mode, of.st_uid, of.st_gid)
    return found


async def _way(executor: Sqlite, point: str = TEN) -> Way:
    return await executor.plan(Goal(point=point), NOW)


async def _restored(executor: Sqlite, way: Way, run: str = "RB-42") -> tuple[Work, Ended]:
    """As the engine does it: the state before is kept where the plan says that it can be."""
    work = work_for(way, run=run)
    if way.undo is not UndoMode.IMPOSSIBLE:
        saved = await kept(executor, work)
        assert saved is not None
        work = replace(work, undo=saved.id, undo_content=saved.fingerprint)
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    return work, end


# The plan


@pytest.mark.parametrize("damage", DAMAGES)
async def test_the_plan_says_how_the_database_is_damaged_and_that_the_loss_is_not_known(
    world: SqliteWorld, damage: Damage
) -> None:
    damage(world)
    way = await _way(world.executor())
    assert any(
        words.startswith("The database is not whole: ") and DAMAGES[damage] in words for words in way.warnings
    )
    assert (way.blockers, way.loss.quality, way.loss.units) == ((), LossQuality.UNKNOWN, ())
    assert DAMAGES[damage] in way.loss.basis


@pytest.mark.parametrize("damage", [a_corrupt_page, *BESIDE_A_WAL])
async def test_looking_changes_nothing_about_a_damaged_database(world: SqliteWorld, damage: Damage) -> None:
    damage(world)
    before = _files(world)
    await _way(world.executor())
    await world.executor().points()
    assert _files(world) == before


@pytest.mark.parametrize("damage", [an_overwritten_header, emptied, gone_beside_its_wal])
async def test_what_is_kept_of_a_damaged_database_is_said_in_one_sentence(
    world: SqliteWorld, damage: Damage
) -> None:
    damage(world)
    way = await _way(world.executor())
    assert way.undo is UndoMode.EXACT
    (words,) = (words for words in way.warnings if "undo puts" in words)
    assert words.endswith("byte for byte.") or "orders.db-wal" in words


async def test_without_a_trace_of_the_database_the_plan_says_that_it_cannot_be_undone(
    world: SqliteWorld,
) -> None:
    gone(world)
    way = await _way(world.executor())
    assert way.undo is UndoMode.IMPOSSIBLE
    assert "Nothing is left of it that could be kept, so this cannot be undone." in way.warnings


async def test_a_damage_that_there_was_no_time_to_find_hides_no_loss(world: SqliteWorld) -> None:
    """Seen by counting alone: figures of other tables would look like the whole."""
    a_corrupt_page(world)
    executor = world.executor()
    condition = look(world.database, WAIT_SECONDS, check=False)
    assert condition.damage == ""
    point = (await executor.points()).points[0]
    loss = loss_of(executor._compared(point, condition), (), point, NOW)
    assert (loss.quality, loss.units) == (LossQuality.UNKNOWN, ())
    assert "malformed" in loss.basis


@pytest.mark.parametrize("damage", [a_corrupt_page, an_overwritten_header, emptied, gone])
async def test_in_a_damaged_database_it_is_not_known_whether_deleted_people_return(
    world: SqliteWorld, damage: Damage
) -> None:
    damage(world)
    executor = Sqlite(world.database, world.backups, world.key, personal=("orders",))
    warned = (await _way(executor)).warnings
    assert warned[0] == "NOT KNOWN whether deleted orders return and have to be erased again"


async def test_a_whole_database_is_not_said_to_be_damaged(world: SqliteWorld) -> None:
    way = await _way(world.executor())
    assert (way.warnings, way.loss.quality) == ((), LossQuality.MEASURED)


def test_a_check_that_takes_too_long_is_ended(world: SqliteWorld) -> None:
    with pytest.raises(OutOfTime):
        bytewise.fault(world.database, "checks", 0.0)


def test_a_large_database_is_looked_at_and_found_damaged(world: SqliteWorld) -> None:
    """A hole behind its last page: it takes no room."""
    os.truncate(world.database, AT_ONCE_BYTES + 4096)
    assert look(world.database, WAIT_SECONDS, check=True).damage == ""
    a_corrupt_page(world)
    assert look(world.database, WAIT_SECONDS, check=True).damage == "damaged"


# The token


@pytest.mark.parametrize("damage", [a_corrupt_page, cut_off, emptied, gone, overwritten_beside_its_wal])
async def test_the_token_stays_as_long_as_it_is_damaged_in_the_same_way(
    world: SqliteWorld, damage: Damage
) -> None:
    before = (await _way(world.executor())).current.token
    damage(world)
    seen = {(await _way(world.executor())).current.token for _ in range(2)}
    assert len(seen) == 1
    assert before not in seen


def _repaired_in_its_place(world: SqliteWorld) -> None:
    """By its bytes, so that file and schema are those of the plan."""
    whole = world.root / "whole.db"
    inode = world.database.stat().st_ino if world.database.exists() else 0
    for suffix in PARTS[1:]:
        part(world.database, suffix).unlink(missing_ok=True)
    with open(world.database, "wb") as file:
        file.write(whole.read_bytes())
    assert inode in {0, world.database.stat().st_ino}


def _kept_whole(world: SqliteWorld) -> None:
    shutil.copyfile(world.database, world.root / "whole.db")


@pytest.mark.parametrize("damage", DAMAGES)
async def test_nothing_is_done_when_somebody_has_repaired_it_since_the_plan(
    world: SqliteWorld, damage: Damage
) -> None:
    _kept_whole(world)
    damage(world)
    work = work_for(await _way(world.executor()))
    _repaired_in_its_place(world)
    before = _files(world)
    executor = world.executor()
    assert (await _way(executor)).current.token != work.expected
    for one in (saving(work), work):
        with pytest.raises(StateChanged):
            await executor.start(one)
        assert (await executor.find(one)).fate is Fate.ABSENT
    assert _files(world) == before


async def test_a_repair_in_the_last_moment_is_noticed_while_nobody_else_can_write(world: SqliteWorld) -> None:
    """`start` has looked, and the thread looks again under its lock."""
    _kept_whole(world)
    a_corrupt_page(world)
    work = work_for(await _way(world.executor()))
    _repaired_in_its_place(world)
    slot = Markers(world.backups, world.key).take(work.op_id)
    assert slot is not None
    marker = Marker(work.digest, TEN, work.expected, MarkerStage.TAKEN, {"saves": f"pre-RB-42{RAW}"})
    undo = UndoFile(world.backups / f"pre-RB-42{RAW}", world.backups / "unfinished")
    save = Saving(world.database, undo, PATIENCE_SECONDS, marker, slot)
    save.start()
    with pytest.raises(StateChanged, match="repaired"):
        save.begun.result(PATIENCE_SECONDS)
    assert save.ended.wait(PATIENCE_SECONDS)


class Trusting(Sqlite):
    """It has looked a moment ago, and what happens since is seen by the thread alone."""

    def _refuse_other_damage(self, work: Work) -> None:
        pass


@pytest.mark.parametrize("damage", [emptied, an_overwritten_header])
async def test_a_file_that_was_repaired_in_the_last_moment_is_not_replaced(
    world: SqliteWorld, damage: Damage
) -> None:
    _kept_whole(world)
    damage(world)
    work = work_for(await _way(world.executor()))
    _repaired_in_its_place(world)
    before = _files(world)
    with pytest.raises(StateChanged, match="another state"):
        await Trusting(world.database, world.backups, world.key).start(work)
    assert _files(world) == before


# The restore


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_database_is_restored_and_found_whole(world: SqliteWorld, damage: Damage) -> None:
    there = world.holds(TEN)
    damage(world)
    executor = world.executor()
    way = await _way(executor)
    work, end = await _restored(executor, way)
    assert (end.ok, end.left) == (True, Left.POINT)
    assert content(world.database) == there
    assert {finding.verdict for finding in await executor.verify(work)} == {Verdict.PASSED}
    assert (await world.executor().find(work)).fate is Fate.DONE
    assert not list(world.root.glob(".orders*"))


@pytest.mark.parametrize("damage", [a_corrupt_page, an_overwritten_header])
async def test_a_damaged_database_with_a_rollback_journal_is_restored_and_its_damage_put_back(
    journal: SqliteWorld, damage: Damage
) -> None:
    there = journal.holds(TEN)
    damage(journal)
    before, executor = _files(journal), journal.executor()
    work, _ = await _restored(executor, await _way(executor))
    assert content(journal.database) == there
    assert work.undo is not None
    await _restored(executor, await _way(executor, work.undo), run="RB-43")
    assert _files(journal) == before


async def test_a_wal_database_without_its_wal_is_restored(world: SqliteWorld) -> None:
    """What was in it is gone, and what is left is what SQLite makes of the rest."""
    there = world.holds(TEN)
    with closing(sqlite3.connect(world.database, isolation_level=None)) as app:
        app.execute("UPDATE orders SET total = 5")
        bare = world.database.read_bytes()
    world.database.write_bytes(bare)
    executor = world.executor()
    work, end = await _restored(executor, await _way(executor))
    assert end.ok
    assert content(world.database) == there
    assert {finding.verdict for finding in await executor.verify(work)} == {Verdict.PASSED}


@pytest.mark.parametrize("damage", WITH_A_TRACE)
async def test_an_undo_puts_the_damaged_database_back_byte_for_byte(
    world: SqliteWorld, damage: Damage
) -> None:
    damage(world)
    for suffix in PARTS:
        if part(world.database, suffix).exists():
            part(world.database, suffix).chmod(0o640)
    before = _files(world)
    executor = world.executor()
    work, end = await _restored(executor, await _way(executor))
    assert end.ok
    assert work.undo is not None
    way = await _way(executor, work.undo)
    assert way.loss.quality is LossQuality.UNKNOWN
    back, end = await _restored(executor, way, run="RB-43")
    assert (end.ok, end.left) == (True, Left.POINT)
    assert _files(world) == before
    assert {finding.verdict for finding in await executor.verify(back)} == {Verdict.PASSED}


@pytest.mark.parametrize("damage", [a_corrupt_page, gone_beside_its_wal])
async def test_what_is_kept_can_be_read_by_whoever_may_read_the_database(
    world: SqliteWorld, damage: Damage
) -> None:
    damage(world)
    for suffix in PARTS:
        if part(world.database, suffix).exists():
            part(world.database, suffix).chmod(0o640)
    saved = await kept(world.executor(), work_for(await _way(world.executor())))
    assert saved is not None
    assert saved.id == f"pre-RB-42{RAW}"
    of = (world.backups / saved.id).stat()
    assert (of.st_mode & 0o777, of.st_uid, of.st_gid) == (0o640, os.geteuid(), os.getegid())


async def test_a_file_that_replaces_one_keeps_its_mode(world: SqliteWorld) -> None:
    an_overwritten_header(world)
    world.database.chmod(0o604)
    await _restored(world.executor(), await _way(world.executor()))
    assert world.database.stat().st_mode & 0o777 == 0o604


async def test_the_plan_says_to_whom_a_file_will_belong_that_replaces_none(world: SqliteWorld) -> None:
    gone(world)
    (world.backups / f"{TEN}.db").chmod(0o640)
    way = await _way(world.executor())
    owner = world.root.stat()
    (words,) = (words for words in way.warnings if "belong" in words)
    assert words == (
        f"The new file will belong to user {owner.st_uid} and group {owner.st_gid}, with the mode 0640."
    )
    await _restored(world.executor(), way)
    assert world.database.stat().st_mode & 0o777 == 0o640


async def test_a_link_to_a_damaged_database_stays_a_link(world: SqliteWorld, tmp_path: Path) -> None:
    there = world.holds(TEN)
    an_overwritten_header(world)
    link = tmp_path / "link.db"
    link.symlink_to(world.database)
    executor = Sqlite(link, world.backups, world.key)
    await _restored(executor, await _way(executor))
    assert link.is_symlink()
    assert content(world.database) == there


async def test_what_is_damaged_as_nobody_saw_is_kept_byte_by_byte(world: SqliteWorld) -> None:
    """There was no time to check all of it for the plan."""
    with closing(connect(world.database)) as live:
        expected = identity(live)
    a_corrupt_page(world)
    slot = Markers(world.backups, world.key).take("k7f3a91c.RB-42.2")
    assert slot is not None
    marker = Marker("d" * 64, TEN, expected, MarkerStage.TAKEN, {"saves": "pre-RB-42.db"})
    undo = UndoFile(world.backups / "pre-RB-42.db", world.backups / "unfinished")
    save = Saving(world.database, undo, PATIENCE_SECONDS, marker, slot)
    save.start()
    assert save.ended.wait(PATIENCE_SECONDS)
    assert save.error is None
    assert [path.name for path in world.backups.glob("pre-*")] == [f"pre-RB-42{RAW}"]


async def test_what_is_kept_can_be_opened_without_the_bot(world: SqliteWorld) -> None:
    cut_off(world)
    saved = await kept(world.executor(), work_for(await _way(world.executor())))
    assert saved is not None
    with tarfile.open(world.backups / saved.id) as tar:
        database = tar.extractfile("database")
        assert database is not None
        assert database.read() == world.database.read_bytes()


async def test_keeping_bytes_leaves_the_locks_of_this_process_alone(
    world: SqliteWorld, tmp_path: Path
) -> None:
    """Closing a descriptor of the database in this process would let go of them."""
    (tmp_path / "packed").touch()
    with closing(sqlite3.connect(world.database, isolation_level=None)) as ours:
        ours.execute("BEGIN IMMEDIATE")
        bytewise.pack(world.database, tmp_path / "packed", lambda done: None)
        assert not bytewise.is_same(tmp_path / "nothing", tmp_path / "packed", PATIENCE_SECONDS)
        writer = (
            f"import sqlite3; sqlite3.connect({str(world.database)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        )
        assert os.spawnlp(os.P_WAIT, shutil.which("python3") or "python3", "python3", "-c", writer) != 0
        ours.execute("ROLLBACK")


async def test_a_restore_over_a_damaged_file_can_be_stopped(world: SqliteWorld) -> None:
    an_overwritten_header(world)
    before = _files(world)
    slow = Sqlite(world.database, world.backups, world.key, pages_per_second=1)
    work = work_for(await _way(slow))
    handle = await slow.start(work)
    assert isinstance(handle, dict)
    assert await slow.cancel(work) is Left.BEFORE
    end = await ended(slow, replace(work, handle=handle))
    assert (end.ok, end.left) == (False, Left.BEFORE)
    assert _files(world) == before
    assert not list(world.root.glob(".orders*"))


# Beside an application that still runs


async def test_damaged_bytes_are_not_put_back_under_a_running_application(world: SqliteWorld) -> None:
    a_corrupt_page(world)
    executor = Sqlite(world.database, world.backups, world.key, wait=WAIT_SECONDS)
    work, _ = await _restored(executor, await _way(executor))
    assert work.undo is not None
    with closing(sqlite3.connect(world.database)) as app:
        app.execute("PRAGMA journal_mode = wal")
        app.execute("SELECT count(*) FROM orders").fetchone()
        before = content(world.database)
        end = await carried_out(executor, work_for(await _way(executor, work.undo), run="RB-43"))
        assert isinstance(end, Ended)
        assert (end.ok, end.left) == (False, Left.BEFORE)
        assert "open" in end.words or "locked" in end.words
        assert content(world.database) == before


async def test_what_has_the_file_open_is_to_be_stopped_where_the_file_is_replaced(world: SqliteWorld) -> None:
    executor = world.executor()
    assert not any("stopped" in words for words in (await _way(executor)).warnings)
    gone(world)
    assert any("stopped" in words for words in (await _way(executor)).warnings)


# Killed on the way


class ClosingWorld(SqliteWorld):
    """Its executor is killed when it has said that the change comes next."""

    def executor(self, dies: object = None) -> Sqlite:
        executor = super().executor()
        executor._markers = ClosingMarkers(self.backups, self.key)
        return executor


class StoppingMarkers(Markers):
    """The thread ends when it has said that the change comes next."""

    def take(self, op_id: str) -> Slot | None:
        slot = super().take(op_id)
        return slot and StoppingSlot(slot._lock, slot._path, slot._key)


class StoppingSlot(Slot):
    def write(self, marker: Marker) -> None:
        super().write(marker)
        if marker.stage is MarkerStage.CLOSING:
            raise PermanentError("It stops here.")


async def _stopped(world: SqliteWorld) -> Work:
    executor = world.executor()
    executor._markers = StoppingMarkers(world.backups, world.key)
    work = work_for(await _way(executor))
    await carried_out(executor, work)
    return work


async def test_killed_before_the_file_was_replaced_it_is_absent_and_can_be_begun_again(
    world: SqliteWorld,
) -> None:
    there = world.holds(TEN)
    an_overwritten_header(world)
    before, work = _files(world), work_for(await _way(world.executor()))
    async with strangers(ClosingWorld(world.root), world.root, work) as (victim,):
        victim.go()
        assert await victim.code() == -signal.SIGKILL
    assert _files(world) == before
    assert (await world.executor().find(work)).fate is Fate.ABSENT
    end = await carried_out(world.executor(), work)
    assert isinstance(end, Ended)
    assert end.ok
    assert content(world.database) == there


async def test_killed_when_only_what_stood_beside_it_was_gone_it_is_said_to_be_partial(
    world: SqliteWorld,
) -> None:
    overwritten_beside_its_wal(world)
    work = await _stopped(world)
    part(world.database, "-wal").unlink()
    found = await world.executor().find(work)
    assert (found.fate, found.left) == (Fate.FAILED, Left.PARTIAL)


async def test_a_file_that_was_replaced_by_somebody_else_meanwhile_is_unknown(world: SqliteWorld) -> None:
    an_overwritten_header(world)
    work = await _stopped(world)
    (waiting,) = world.root.glob(".orders*")
    waiting.unlink()
    assert (await world.executor().find(work)).fate is Fate.UNKNOWN


async def test_a_replaced_file_that_was_changed_again_is_overtaken(world: SqliteWorld) -> None:
    an_overwritten_header(world)
    work, _ = await _restored(world.executor(), await _way(world.executor()))
    world.drifts()
    assert (await world.executor().find(work)).fate is Fate.OVERTAKEN


# Kept in between


async def test_what_happens_to_a_damaged_file_after_it_was_kept_is_kept_as_well(world: SqliteWorld) -> None:
    an_overwritten_header(world)
    executor = world.executor()
    work = work_for(await _way(executor))
    saved = await kept(executor, work)
    assert saved is not None
    _overwrite(world.database, 200, b"more of it")
    before = world.database.read_bytes()
    end = await carried_out(executor, replace(work, undo=saved.id, undo_content=saved.fingerprint))
    assert isinstance(end, Ended)
    assert end.made is not None
    with tarfile.open(world.backups / end.made.id) as tar:
        database = tar.extractfile("database")
        assert database is not None
        assert database.read() == before


async def test_bytes_that_were_kept_are_never_suggested(world: SqliteWorld) -> None:
    cut_off(world)
    await kept(world.executor(), work_for(await _way(world.executor())))
    (point,) = (one for one in (await world.executor().points()).points if one.id.endswith(RAW))
    assert point.doubt
    assert (point.label, point.saved_before) == ("saved before RB-42, damaged", "RB-42")


# Not damaged, but locked


async def test_a_lock_that_somebody_holds_is_passing_trouble(journal: SqliteWorld) -> None:
    executor = Sqlite(journal.database, journal.backups, journal.key, wait=WAIT_SECONDS)
    work = work_for(await _way(executor))
    with closing(sqlite3.connect(journal.database, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        for asked in (executor.points(), _way(executor), executor.start(saving(work)), executor.start(work)):
            with pytest.raises(Busy):
                await asked
        writer.execute("ROLLBACK")
    _, end = await _restored(executor, await _way(executor))
    assert end.ok
