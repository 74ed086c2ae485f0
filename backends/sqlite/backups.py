"""Which files in the folder of backups are restore points: whole SQLite files with a telling name.

`<YYYYmmddTHHMMSSZ>.db` is a backup of that moment, `pre-<run id>.db` what was saved before a run.
"""

import os
import re
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backends.marker import file_errors
from bot.model import PointKind, RestorePoint, Span

MOST_REASONS = 20  # more would hide the points
COMPANION = re.compile(r"(.+)-(wal|shm|journal)")

BACKUP = re.compile(r"\d{8}T\d{6}Z\.db")
SAVED = re.compile(r"pre-[A-Za-z0-9._-]{1,120}\.db")
FORM = "20261122T100000Z.db"
EARLIEST = datetime.min.replace(tzinfo=UTC)
RUN = re.compile(r"RB-\d+")
MAGIC = b"SQLite format 3\x00"
WAL = b"\x02"  # byte 18 of the header


@dataclass(frozen=True, slots=True)
class FoundBackups:
    points: tuple[RestorePoint, ...]  # newest first
    left_out: tuple[str, ...]  # a sentence each


@file_errors()
def backups_in(folder: Path) -> FoundBackups:
    """Looks at every file; folders are not meant, unless they are called like a backup."""
    names = sorted(os.listdir(folder))
    points: list[RestorePoint] = []
    left_out: list[str] = []
    for path in (folder / name for name in names if not _is_aside(folder / name, names)):
        with suppress(FileNotFoundError):  # it went while we looked
            at = _moment(path)
            if why := _why_not(path, at):
                left_out.append(f"`{path.name}` {why}.")
            elif at is not None:
                points.append(_point(path, at))
    if len(left_out) > MOST_REASONS:
        left_out[MOST_REASONS:] = [f"And {len(left_out) - MOST_REASONS} more."]
    points.sort(key=lambda point: (point.at or EARLIEST, point.id), reverse=True)
    return FoundBackups(tuple(points), tuple(left_out))


def _point(path: Path, at: datetime) -> RestorePoint:
    run = RUN.search(path.stem) if SAVED.fullmatch(path.name) else None
    return RestorePoint(
        path.stem,
        at,
        _label(path),
        kind=_kind(path),
        live=(Span(at, at),),
        saved_before=run.group() if run else "",
    )


def _is_aside(path: Path, names: Collection[str]) -> bool:
    """Whether it is no attempt at a backup: a folder, or a file that SQLite has put beside one."""
    companion = COMPANION.fullmatch(path.name)
    if companion and companion[1] in names:
        return True
    return path.is_dir() and not path.is_symlink() and _moment(path) is None


def _why_not(path: Path, at: datetime | None) -> str | None:
    """Why it is no restore point; None: it is one."""
    mode = path.lstat().st_mode
    if at is None:
        return f"has no name of the form {FORM}"
    if stat.S_ISLNK(mode):
        return "is a link, and could lead anywhere"
    if not stat.S_ISREG(mode):
        return "is no file"
    if path.stat().st_size == 0:
        return "is empty"
    if not os.access(path, os.R_OK):
        return "may not be read by the bot"
    if not _is_sqlite(path):
        return "is no SQLite file"
    if beside := _left_beside(path):
        return f"is not whole: `{beside}` beside it holds the rest"
    return None


def was_wal(backup: Path) -> bool:
    """Whether a database becomes one with a WAL when this is copied over it."""
    with open(backup, "rb") as file:
        return file.read(19)[18:] == WAL


def _moment(path: Path) -> datetime | None:
    """None: the name is that of no backup."""
    if SAVED.fullmatch(path.name):
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    if not BACKUP.fullmatch(path.name):
        return None
    try:
        return datetime.strptime(path.stem, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _kind(path: Path) -> PointKind:
    return PointKind.UNDO if SAVED.fullmatch(path.name) else PointKind.BACKUP


def _label(path: Path) -> str:
    run = path.stem.removeprefix("pre-")
    return "backup" if run == path.stem else f"saved before {run}"


def _is_sqlite(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _left_beside(path: Path) -> str | None:
    """Returns the file in which some of a database was left that was copied while in use."""
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if _size(beside):
            return beside.name
    return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
