"""Which files are restore points, and why the others are none."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.installed import definitions
from backends.sqlite.backups import MOST_REASONS, backups_in, file_of
from backends.sqlite.names import DEFAULT_NAMES, faults_of
from bot.configuration import load
from bot.errors import ConfigurationError
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
        (_cut_off, "20261122T110000Z.db", "is no SQLite file, or an encrypted one"),
        (_named("20261122T110000Z.db.gz"), "20261122T110000Z.db.gz", "is compressed"),
        (
            lambda folder: (folder / "pre-RB-7.damaged.tar").write_bytes(b"other"),
            "pre-RB-7.damaged.tar",
            "is not what the bot has kept",
        ),
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


def test_files_that_share_a_reason_are_counted_in_one_sentence(folder: Path) -> None:
    for n in range(25):
        (folder / f"orders-{n:02d}.db.gz").write_bytes(b"packed")
    (folder / "notes.txt").write_text("notes")
    (folder / "20261122T110000Z.db").touch()
    assert backups_in(folder).left_out == (
        "`20261122T110000Z.db` is empty.",
        "`notes.txt` has no name of the form 20261122T100000Z.db.",
        "25 files are compressed: unpack them to go back to one: `orders-00.db.gz`, `orders-01.db.gz`, "
        "`orders-02.db.gz` and 22 more.",
    )


def test_of_very_many_reasons_the_first_are_named_and_the_files_of_the_others_counted(folder: Path) -> None:
    for n in range(MOST_REASONS + 5):
        (folder / f"202611{n + 1:02d}T110000Z.db").write_bytes(_whole(folder))
        (folder / f"202611{n + 1:02d}T110000Z.db-wal").write_bytes(b"the rest is here")
    left_out = backups_in(folder).left_out
    assert len(left_out) == MOST_REASONS + 1
    assert left_out[-1] == "And 5 more files."


def test_a_backup_was_live_when_it_was_made_and_a_saved_state_is_of_its_run(folder: Path) -> None:
    (folder / "pre-RB-7.db").write_bytes(_whole(folder))
    os.utime(folder / "pre-RB-7.db", (0, 0))
    made, saved = backups_in(folder).points
    ten = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (made.kind, made.at, made.live) == (PointKind.BACKUP, ten, (Span(ten, ten),))
    assert (saved.kind, saved.label) == (PointKind.UNDO, "saved before RB-7")


# Names of their own


def _at(folder: Path, name: str, written: datetime | None = None) -> Path:
    (folder / name).write_bytes(_whole(folder))
    if written is not None:
        os.utime(folder / name, (written.timestamp(), written.timestamp()))
    return folder / name


@pytest.mark.parametrize(
    ("pattern", "name", "at"),
    [
        # Lewis-Gallagher/wedding-website, db/sq3backup.sh
        ("%Y%m%d-%H%M%S.app.db.sq3", "20261120-023000.app.db.sq3", datetime(2026, 11, 20, 2, 30, tzinfo=UTC)),
        # Bruceforce/vaultwarden-backup, backup.sh
        ("*_%Y-%m-%d-%H%M%S", "db.sqlite3_2026-11-20-023000", datetime(2026, 11, 20, 2, 30, tzinfo=UTC)),
        # `date -u +%Y-%m-%dT%H:%M:%SZ`, as several scripts call them
        ("%Y-%m-%dT%H:%M:%SZ.db", "2026-11-20T02:30:00Z.db", datetime(2026, 11, 20, 2, 30, tzinfo=UTC)),
        ("shop-%Y%m%dT%H%M%S%z", "shop-20261120T023000+0100", datetime(2026, 11, 20, 1, 30, tzinfo=UTC)),
        ("db-%s.bak", "db-1795341600.bak", datetime(2026, 11, 22, 10, tzinfo=UTC)),
    ],
)
def test_the_time_of_a_backup_stands_in_its_name(folder: Path, pattern: str, name: str, at: datetime) -> None:
    _at(folder, name)
    (point,) = backups_in(folder, (pattern,)).points
    assert (point.id, point.at) == (name.removesuffix(".db"), at)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (datetime(2026, 11, 20, 3, 5, tzinfo=UTC), datetime(2026, 11, 20, 3, 5, tzinfo=UTC)),
        (datetime(2026, 11, 25, 9, tzinfo=UTC), datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)),
        (datetime(2026, 11, 19, 23, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)),
    ],
    ids=["of that day", "copied later", "of the day before"],
)
def test_where_a_name_says_only_the_day_the_time_of_the_file_counts_within_it(
    folder: Path, written: datetime, at: datetime
) -> None:
    _at(folder, "orders-2026-11-20.db", written)
    (point,) = backups_in(folder, ("orders-%Y-%m-%d.db",)).points
    assert (point.id, point.at) == ("orders-2026-11-20", at)


def test_of_a_form_without_a_time_the_time_of_the_file_counts_and_the_label_says_so(folder: Path) -> None:
    written = datetime(2026, 11, 20, 3, 5, tzinfo=UTC)
    _at(folder, "nightly.sqlite3", written)
    (point,) = backups_in(folder, ("*.sqlite3",)).points
    assert (point.at, point.label) == (written, "backup, by the time of its file")


def test_several_forms_are_backups_side_by_side_and_the_reason_names_them_all(folder: Path) -> None:
    _at(folder, "orders-2026-11-20.db")
    (folder / "notes.txt").write_text("notes")
    found = backups_in(folder, ("%Y%m%dT%H%M%SZ.db", "orders-%Y-%m-%d.db"))
    assert {point.id for point in found.points} == {TEN, "orders-2026-11-20"}
    assert found.left_out == (
        "`notes.txt` has no name of the form 20261122T100000Z.db or orders-2026-11-22.db.",
    )


def test_no_two_points_are_called_the_same(folder: Path) -> None:
    _at(folder, TEN)
    found = backups_in(folder, ("*",))
    assert [point.id for point in found.points] == [TEN]
    assert found.left_out == (f"`{TEN}` is called like `{TEN}.db` without its ending.",)
    assert file_of(folder, TEN) == folder / f"{TEN}.db"


def test_a_name_that_people_cannot_type_is_said(folder: Path) -> None:
    _at(folder, "the good one.db")
    (reason,) = backups_in(folder, ("*.db",)).left_out
    assert "people cannot type" in reason


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("backups/%Y%m%d.db", "no /"),
        ("%Y%m%d-%Q.db", "%Q is not known"),
        ("%Y%m%d.db%", "is not known"),
        ("%Y-%Y.db", "%Y stands in it twice"),
        ("%m-%d.db", "without %Y"),
        ("%Y-%m.db", "without %d"),
        ("%Y%m%d%M.db", "without %H"),
        ("%Y%m%d%z.db", "without %H"),
        ("%s-%Y%m%d.db", "%s is a whole time"),
        ("*.db-wal", "SQLite calls files like this"),
        ("orders of %Y%m%d.db", "people could not type"),
        ("pre-%Y%m%d.db", "undo points"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_the_reason(pattern: str, why: str) -> None:
    ((n, words),) = faults_of(("*.db", pattern))
    assert n == 1
    assert words.startswith(f"`{pattern}` ")
    assert why in words


def test_a_pattern_that_cannot_work_is_a_fault_of_the_configuration_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rollback.yaml"
    path.write_text(
        """version: 1
defaults: {approval: {from: [U1]}}
targets:
  orders:
    kind: database
    executor:
      type: sqlite
      database: orders.db
      backups: backups
      names:
        - "%Y%m%dT%H%M%SZ.db"
        - "%m-%d.db"
"""
    )
    with pytest.raises(ConfigurationError, match=r"rollback.yaml:12: .*without %Y"):
        load(path, definitions())


def test_the_form_that_backups_have_by_default_can_work() -> None:
    assert list(faults_of(DEFAULT_NAMES)) == []
