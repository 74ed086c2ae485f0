"""Which files in the folder of backups are restore points: whole SQLite files with a telling name.

`<YYYYmmddTHHMMSSZ>.db` is a backup of that moment, `pre-<run id>.db` what was saved before a run.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from backends.marker import file_errors
from bot.model import RestorePoint

BACKUP = re.compile(r"\d{8}T\d{6}Z\.db")
SAVED = re.compile(r"pre-[A-Za-z0-9._-]{1,120}\.db")
MAGIC = b"SQLite format 3\x00"
WAL = b"\x02"  # byte 18 of the header


@file_errors()
def backups_in(folder: Path) -> tuple[RestorePoint, ...]:
    """Newest first. A link among them could lead anywhere: it is none."""
    with os.scandir(folder) as entries:
        files = [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
    found = [
        RestorePoint(path.stem, at, _label(path))
        for path in files
        if (at := _moment(path)) is not None and _stands_alone(path)
    ]
    return tuple(sorted(found, key=lambda point: (point.at, point.id), reverse=True))


def is_saved(point: RestorePoint) -> bool:
    """Whether it is the state that a run left, and no backup."""
    return SAVED.fullmatch(f"{point.id}.db") is not None


def was_wal(backup: Path) -> bool:
    """Whether a database becomes one with a WAL when this is copied over it."""
    with open(backup, "rb") as file:
        return file.read(19)[18:] == WAL


def _moment(path: Path) -> datetime | None:
    """None: the name is that of no backup."""
    if SAVED.fullmatch(path.name):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if not BACKUP.fullmatch(path.name):
        return None
    try:
        return datetime.strptime(path.stem, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _label(path: Path) -> str:
    run = path.stem.removeprefix("pre-")
    return "backup" if run == path.stem else f"saved before {run}"


def _stands_alone(path: Path) -> bool:
    """A whole file: some of a database that was copied while in use may be left in the files beside it."""
    if any(_size(path.with_name(path.name + suffix)) for suffix in ("-wal", "-journal")):
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
