"""How it is counted: beside the writers, at one moment, within a time, and without leaving anything."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backends.marker import Markers
from backends.sqlite.comparing import Difference, NotCompared, differences
from backends.sqlite.counting import Counting, snapshot
from backends.sqlite.reading import OutOfTime, beside
from bot.contract import Blocked
from tests.backends.sqlite.world import SqliteJournalWorld, SqliteWorld, content

TEN = "20261122T100000Z"
LONG_SECONDS = 30.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournalWorld]:
    world = SqliteJournalWorld.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def wal(tmp_path: Path) -> Iterator[SqliteWorld]:
    world = SqliteWorld.make(tmp_path / "shop")
    yield world
    world.close()


def _counting(world: SqliteWorld, seconds: float = LONG_SECONDS) -> Counting:
    return Counting(world.database, Markers(world.backups, world.key), ("orders",), seconds)


def _backup(world: SqliteWorld) -> Path:
    return world.backups / f"{TEN}.db"


def _copies(world: SqliteWorld) -> list[str]:
    return [path.name for path in world.backups.rglob("compared-*")]


def _sell(database: Path, wait: float) -> None:
    """As an application does that waits for so many seconds."""
    with closing(sqlite3.connect(database, timeout=wait, isolation_level=None)) as writer:
        writer.execute("INSERT INTO orders (total) VALUES (1)")


# Beside the writers


def test_with_a_rollback_journal_a_writer_commits_at_once_while_it_is_counted(
    journal: SqliteJournalWorld, tmp_path: Path
) -> None:
    before = content(journal.database)
    with (
        snapshot(journal.database, tmp_path, LONG_SECONDS) as copy,
        beside(copy, _backup(journal)) as both,
    ):
        both.execute("BEGIN")
        both.execute("SELECT count(*) FROM orders").fetchone()
        _sell(journal.database, wait=0.0)
        both.execute("ROLLBACK")
        assert content(copy) == before
    assert content(journal.database) != before


def test_with_a_rollback_journal_nothing_but_a_copy_is_counted(journal: SqliteJournalWorld) -> None:
    """Seen by the room that it asks for: counting the file itself would need none."""
    os.truncate(journal.database, 8 * 1024**4)  # a hole: it takes no room itself
    with pytest.raises(Blocked, match="room"):
        _counting(journal).differences(_backup(journal))


def test_with_a_rollback_journal_a_writer_gets_its_turn_while_the_copy_is_made(
    journal: SqliteJournalWorld,
) -> None:
    """Large enough for many turns."""
    journal.sell(20_000)
    counted = threading.Event()

    def count() -> None:
        _counting(journal).differences(_backup(journal))
        counted.set()

    counter = threading.Thread(target=count)
    counter.start()
    for _ in range(20):
        _sell(journal.database, wait=1.0)
    counter.join()
    assert counted.is_set()


def test_with_a_wal_all_tables_are_seen_at_one_moment(wal: SqliteWorld) -> None:
    """Somebody sells between the first table and the second."""
    with beside(wal.database, _backup(wal)) as both:
        seen: list[str] = []

        def sells(statement: str) -> None:
            if '"refunds"' in statement and "SELECT" in statement and not seen:
                seen.append(statement)
                wal.sell(3)
                with closing(sqlite3.connect(wal.database, isolation_level=None)) as writer:
                    writer.execute("INSERT INTO refunds VALUES ('R1', 5)")

        both.set_trace_callback(sells)
        found = differences(both, ("orders", "refunds"), LONG_SECONDS)
    assert seen
    assert found == (Difference("orders", 7, 41, 0), Difference("refunds", 0, 0, 0))


def test_writers_have_their_turn_while_a_copy_is_made(journal: SqliteJournalWorld, tmp_path: Path) -> None:
    journal.sell(20_000)
    turns: list[int] = []
    with closing(sqlite3.connect(journal.database, isolation_level=None, timeout=0)) as writer:

        def sells_once() -> None:
            if not turns:
                writer.execute("INSERT INTO refunds VALUES ('R1', 5)")
            turns.append(len(turns))

        with snapshot(journal.database, tmp_path, LONG_SECONDS, sells_once) as copy:
            assert len(turns) > 1
            with closing(sqlite3.connect(copy)) as read:
                assert read.execute("SELECT count(*) FROM refunds WHERE amount = 5").fetchone() == (1,)


# Within a time


def test_a_count_that_is_late_gets_more_time_when_it_is_tried_again(wal: SqliteWorld) -> None:
    wal.sell(20_000)
    counting = _counting(wal, seconds=1e-9)
    (orders, _) = counting.differences(_backup(wal))
    assert isinstance(orders, NotCompared)
    assert orders.late
    allowed = []
    for _ in range(4):
        allowed.append(counting.patience(_backup(wal)))
        counting.differences(_backup(wal))
    assert allowed == [2, 4, 4, 4]


def test_a_copy_that_is_not_finished_in_time_is_given_up(journal: SqliteJournalWorld, tmp_path: Path) -> None:
    with pytest.raises(OutOfTime), snapshot(journal.database, tmp_path, -1.0):
        pytest.fail("It was copied though its time was over.")


# Without leaving anything


def test_a_copy_is_for_us_alone_and_goes_when_it_was_counted(journal: SqliteJournalWorld) -> None:
    folder = Markers(journal.backups, journal.key).folder
    folder.mkdir(mode=0o700)
    with snapshot(journal.database, folder, LONG_SECONDS) as copy:
        assert copy.stat().st_mode & 0o777 == 0o600
        assert [copy.name] == _copies(journal)
    assert _copies(journal) == []


@pytest.mark.parametrize("seconds", [LONG_SECONDS, -1.0], ids=["counted", "too late"])
def test_a_copy_goes_in_every_case(journal: SqliteJournalWorld, seconds: float) -> None:
    counting = _counting(journal, seconds)
    try:
        counting.differences(_backup(journal))
    except OutOfTime:
        assert seconds < 0
    assert _copies(journal) == []


def test_a_copy_goes_when_counting_fails(journal: SqliteJournalWorld) -> None:
    _backup(journal).write_bytes(b"no database" * 100)
    with pytest.raises(Blocked):
        _counting(journal).differences(_backup(journal))
    assert _copies(journal) == []


def test_a_copy_whose_owner_was_killed_is_removed_at_the_next_use(journal: SqliteJournalWorld) -> None:
    program = """
import pathlib, sys
from backends.sqlite.counting import PAGES_AT_ONCE, snapshot
folder = pathlib.Path(sys.argv[2])
folder.mkdir(mode=0o700)
with snapshot(pathlib.Path(sys.argv[1]), folder, 30.0):
    print("copied", flush=True)
    sys.stdin.read()
"""
    folder = Markers(journal.backups, journal.key).folder
    with subprocess.Popen(
        [sys.executable, "-c", program, str(journal.database), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "copied\n"
        (alive,) = _copies(journal)
        _counting(journal).differences(_backup(journal))
        assert _copies(journal) == [alive]
        os.kill(owner.pid, signal.SIGKILL)
    _counting(journal).differences(_backup(journal))
    assert _copies(journal) == []


def test_without_room_for_a_copy_nothing_is_copied(journal: SqliteJournalWorld, tmp_path: Path) -> None:
    os.truncate(journal.database, 8 * 1024**4)  # a hole: it takes no room itself
    with pytest.raises(Blocked, match="room"), snapshot(journal.database, tmp_path, LONG_SECONDS):
        pytest.fail("It was copied without room.")


def test_two_counts_at_once_do_not_take_each_other_s_copy(
    journal: SqliteJournalWorld, tmp_path: Path
) -> None:
    with (
        snapshot(journal.database, tmp_path, LONG_SECONDS) as one,
        snapshot(journal.database, tmp_path, LONG_SECONDS) as other,
    ):
        assert one != other
        assert content(one) == content(other) == content(journal.database)
