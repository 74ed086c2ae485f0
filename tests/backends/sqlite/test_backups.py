"""Which files are restore points, and why the others are none."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.sqlite.backups import MOST_REASONS, backups_in
from bot.model import PointKind, Span

TEN = "20261122T100000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    with closing(sqlite3.connect(folder / f"{TEN}.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    return folder


def _whole(folder: Path) -> bytes:
    return (folder / f"{TEN}.db").read_bytes()


def _linked(folder: Path) -> None:
    (folder / "20261122T110000Z.db").symlink_to(folder / f"{TEN}.db")


def _leading_nowhere(folder: Path) -> None:
    (folder / "20261122T110000Z.db").symlink_to(folder / "nothing")


def _with_a_wal(folder: Path) -> None:
    (folder / "20261122T110000Z.db").write_bytes(_whole(folder))
    (folder / "20261122T110000Z.db-wal").write_bytes(b"the rest is here")
    (folder / "20261122T110000Z.db-shm").write_bytes(b"and its index")


def _named(name: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        (folder / name).write_bytes(_whole(folder))

    return put


def _cut_off(folder: Path) -> None:
    (folder / "20261122T110000Z.db").write_bytes(b"half of a dow")


@pytest.mark.parametrize(
    ("put", "name", "why"),
    [
        (_named("orders-2026-11-20.db"), "orders-2026-11-20.db", "no name of the form"),
        (_named("20261122T110000Z.sqlite3"), "20261122T110000Z.sqlite3", "no name of the form"),
        (_named("20261122T110000.db"), "20261122T110000.db", "no name of the form"),
        (_named("20261199T110000Z.db"), "20261199T110000Z.db", "no name of the form"),
        (_linked, "20261122T110000Z.db", "is a link"),
        (_leading_nowhere, "20261122T110000Z.db", "is a link"),
        (lambda folder: (folder / "20261122T110000Z.db").touch(), "20261122T110000Z.db", "is empty"),
        (lambda folder: (folder / "20261122T110000Z.db").mkdir(), "20261122T110000Z.db", "is no file"),
        (_cut_off, "20261122T110000Z.db", "is no SQLite file"),
        (_with_a_wal, "20261122T110000Z.db", "is not whole: `20261122T110000Z.db-wal`"),
    ],
)
def test_what_is_no_restore_point_is_said_with_its_reason(
    folder: Path, put: Callable[[Path], None], name: str, why: str
) -> None:
    put(folder)
    found = backups_in(folder)
    assert [point.id for point in found.points] == [TEN]
    (reason,) = found.left_out
    assert reason.startswith(f"`{name}` ")
    assert why in reason


def test_folders_and_what_stands_beside_a_whole_backup_are_not_mentioned(folder: Path) -> None:
    (folder / ".rollback").mkdir()
    (folder / "2025").mkdir()
    (folder / f"{TEN}.db-shm").write_bytes(b"left by a reader")
    assert backups_in(folder).left_out == ()


def test_of_very_many_the_first_are_named_and_the_others_counted(folder: Path) -> None:
    for n in range(MOST_REASONS + 5):
        (folder / f"orders-{n:02d}.db.gz").write_bytes(b"packed")
    left_out = backups_in(folder).left_out
    assert len(left_out) == MOST_REASONS + 1
    assert left_out[-1] == "And 5 more."


def test_a_backup_was_live_when_it_was_made_and_a_saved_state_is_of_its_run(folder: Path) -> None:
    (folder / "pre-RB-7.db").write_bytes(_whole(folder))
    os.utime(folder / "pre-RB-7.db", (0, 0))
    made, saved = backups_in(folder).points
    ten = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (made.kind, made.at, made.live) == (PointKind.BACKUP, ten, (Span(ten, ten),))
    assert (saved.kind, saved.label) == (PointKind.UNDO, "saved before RB-7")
