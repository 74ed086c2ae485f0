"""Which files in the folder of backups are restore points: whole SQLite files with a telling name.

A backup is called as the patterns of the settings say, `pre-<run id>.db` is what was saved before a run, and
`pre-<run id>.damaged.tar` what was kept of a database that SQLite could not save. Every other file is counted
and said with the reason.
"""

import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backends.marker import file_errors
from backends.sqlite.names import DEFAULT_NAMES, TYPED, Pattern
from bot.loss import noun
from bot.model import PointKind, RestorePoint, Span

MOST_REASONS = 20  # more would hide the points
NAMED_FILES = 3  # of those that share a reason
COMPANION = re.compile(r"(.+)-(wal|shm|journal)")

ENDING: Final = ".db"  # is no part of an id
RAW: Final = ".damaged.tar"  # is one
SAVED = re.compile(r"pre-[A-Za-z0-9._-]{1,120}(\.db|\.damaged\.tar)")
PACKED: Final = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z", ".rar")
EARLIEST = datetime.min.replace(tzinfo=UTC)
RUN = re.compile(r"RB-\d+")
MAGIC = b"SQLite format 3\x00"
TAR, TAR_AT = b"ustar", 257
WAL = b"\x02"  # byte 18 of the header
AS_DAMAGED = "it is as damaged as it was then"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why files are no restore points, as the end of a sentence about one and about many."""

    one: str
    many: str


COMPRESSED = Reason(
    "is compressed: unpack it to go back to it", "are compressed: unpack them to go back to one"
)
LINKED = Reason("is a link, and could lead anywhere", "are links, and could lead anywhere")
NO_FILE = Reason("is no file", "are no files")
EMPTY = Reason("is empty", "are empty")
LIVE = Reason("is the live database itself", "are the live database itself")
UNREADABLE = Reason("may not be read by the bot", "may not be read by the bot")
NOT_SQLITE = Reason("is no SQLite file, or an encrypted one", "are no SQLite files, or encrypted ones")
NOT_KEPT = Reason("is not what the bot has kept", "are not what the bot has kept")
UNTYPED = Reason(
    "has a name that people cannot type: use letters, digits and . _ - + = @ :",
    "have names that people cannot type: use letters, digits and . _ - + = @ :",
)


@dataclass(frozen=True, slots=True)
class FoundBackups:
    points: tuple[RestorePoint, ...]  # newest first
    left_out: tuple[str, ...]  # a sentence each


def is_raw(point: str) -> bool:
    """Whether a restore point is what was kept of a damaged database, byte by byte."""
    return point.endswith(RAW)


def id_of(name: str) -> str:
    return name.removesuffix(ENDING)


def is_free(folder: Path, name: str) -> bool:
    """Whether an undo point may be called so. Under either ending: SQLite may yet say that it is damaged."""
    stem = name.removesuffix(ENDING).removesuffix(RAW)
    return not any(os.path.lexists(folder / f"{stem}{ending}") for ending in (ENDING, RAW))


def file_of(folder: Path, point: str) -> Path:
    """Only for ids that were listed. Of two files that would be called the same, the one with an ending."""
    plain, ended = folder / point, folder / f"{point}{ENDING}"
    return plain if is_raw(point) or (os.path.lexists(plain) and not os.path.lexists(ended)) else ended


@file_errors()
def backups_in(folder: Path, names: Sequence[str] = DEFAULT_NAMES, live: Path | None = None) -> FoundBackups:
    """Looks at every file; folders are not meant, unless they are called like a backup.

    `live`: the database, which may lie among its backups or have a second name there. None: nobody asks.
    """
    listed = sorted(os.listdir(folder))
    patterns = [Pattern(text) for text in names]
    points: list[RestorePoint] = []
    left_out: dict[Reason, list[str]] = {}
    for path in (folder / name for name in listed if not _is_aside(folder / name, listed, patterns)):
        with suppress(FileNotFoundError):  # it went while we looked
            is_live = live is not None and live.exists() and path.exists() and path.samefile(live)
            if why := LIVE if is_live else _why_not(path, patterns, listed):
                left_out.setdefault(why, []).append(path.name)
            else:
                points.append(_point(path, patterns))
    points.sort(key=lambda point: (point.at or EARLIEST, point.id), reverse=True)
    return FoundBackups(tuple(points), _sentences(left_out))


def _point(path: Path, patterns: Sequence[Pattern]) -> RestorePoint:
    saved = SAVED.fullmatch(path.name) is not None
    run = RUN.search(path.stem) if saved else None
    at, by_file = _moment(path, patterns)
    return RestorePoint(
        id_of(path.name),
        at,
        _saved_label(path) if saved else f"backup{', by the time of its file' if by_file else ''}",
        kind=PointKind.UNDO if saved else PointKind.BACKUP,
        live=(Span(at, at),),
        saved_before=run.group() if run else "",
        doubt=AS_DAMAGED if is_raw(path.name) else "",
    )


def _saved_label(path: Path) -> str:
    run = id_of(path.name).removeprefix("pre-")
    return f"saved before {run.removesuffix(RAW)}{', damaged' if is_raw(run) else ''}"


def _is_aside(path: Path, names: Collection[str], patterns: Sequence[Pattern]) -> bool:
    """Whether it is no attempt at a backup: a folder, or a file that SQLite has put beside one."""
    companion = COMPANION.fullmatch(path.name)
    if companion and companion[1] in names:
        return True
    return path.is_dir() and not path.is_symlink() and not _called_like_one(path, patterns)


def _called_like_one(path: Path, patterns: Sequence[Pattern]) -> bool:
    """Only a form with a time: another one fits what has nothing to do with backups."""
    timed = any(pattern.tells_time and pattern.fits(path.name) for pattern in patterns)
    return timed or SAVED.fullmatch(path.name) is not None


def _why_not(path: Path, patterns: Sequence[Pattern], names: Collection[str]) -> Reason | None:
    """None: it is a restore point."""
    if why := _why_not_called(path, patterns, names):
        return why
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return LINKED
    if not stat.S_ISREG(mode):
        return NO_FILE
    if path.stat().st_size == 0:
        return EMPTY
    if not os.access(path, os.R_OK, effective_ids=True):
        return UNREADABLE
    if is_raw(path.name):
        return None if _holds(path, TAR, TAR_AT) else NOT_KEPT
    if not _holds(path, MAGIC):
        return NOT_SQLITE
    if beside := _left_beside(path):
        words = f"not whole: `{beside}` beside it holds the rest"
        return Reason(f"is {words}", f"are {words}")
    return None


def _why_not_called(path: Path, patterns: Sequence[Pattern], names: Collection[str]) -> Reason | None:
    if SAVED.fullmatch(path.name):
        return None
    if path.suffix.lower() in PACKED:
        return COMPRESSED
    if not any(pattern.fits(path.name) for pattern in patterns):
        forms = " or ".join(pattern.example for pattern in patterns)
        return Reason(f"has no name of the form {forms}", f"have no name of the form {forms}")
    if not TYPED.fullmatch(path.name):
        return UNTYPED
    if not path.name.endswith(ENDING) and f"{path.name}{ENDING}" in names:
        words = f"called like `{path.name}{ENDING}` without its ending"
        return Reason(f"is {words}", f"are {words}")
    return None


def _sentences(left_out: Mapping[Reason, Sequence[str]]) -> tuple[str, ...]:
    told = [_sentence(why, names) for why, names in left_out.items()]
    more = sum(len(names) for names in list(left_out.values())[MOST_REASONS:])
    return (*told[:MOST_REASONS], *([f"And {more:,} more {noun('files', more)}."] if more else []))


def _sentence(why: Reason, names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:NAMED_FILES])
    if len(names) == 1:
        return f"{shown} {why.one}."
    more = len(names) - NAMED_FILES
    return f"{len(names):,} files {why.many}: {shown}{f' and {more:,} more' if more > 0 else ''}."


def was_wal(backup: Path) -> bool:
    """Whether a database becomes one with a WAL when this is copied over it."""
    with open(backup, "rb") as file:
        return file.read(19)[18:] == WAL


def _moment(path: Path, patterns: Sequence[Pattern]) -> tuple[datetime, bool]:
    """Returns when it was complete, and whether only the time of the file says that.

    Where a name says no more than the day, the time of the file counts as far as it is of that day.
    """
    written = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    if SAVED.fullmatch(path.name):
        return written, False
    pattern = next(pattern for pattern in patterns if pattern.fits(path.name))
    period = pattern.period(path.name)
    return (written, True) if period is None else (period.nearest(written), False)


def _holds(path: Path, magic: bytes, at: int = 0) -> bool:
    with open(path, "rb") as file:
        file.seek(at)
        return file.read(len(magic)) == magic


def _left_beside(path: Path) -> str | None:
    """Returns the file in which some of a database was left that was copied while in use."""
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if _size(beside):
            return beside.name
    return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
