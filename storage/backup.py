"""Copies of the database that prove themselves: made while others write, and put back in its place.

A backup is one SQLite file, checked from end to end before it gets its name. Nothing is overwritten and
nothing deleted. A PostgreSQL server has better ways of its own (pg_dump keeps rights and restores in
parallel, an archive goes back to any second), so it is refused here; what came back so is marked by
`mark_restored`.
"""

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from bot.errors import UserError
from storage.database import (
    HEAD,
    Database,
    file_of,
    open_database,
    revision,
    sqlite_url,
    upgrade,
)
from storage.evidence import head_of
from storage.integrity import Unsound, damage_of
from storage.restored import RestoredDatabase, mark_restored
from storage.sealing import beside, sync_folder
from storage.sqlite import copy
from storage.tables import evidence
from storage.times import loaded_if

DUMP = "This database is on a PostgreSQL server. Back it up with `pg_dump --format=custom --file=FILE`."
LOAD = (
    "This database is on a PostgreSQL server. Stop every `serve`, load the backup with `pg_restore`, "
    "then run `rollback-bot db restored`."
)


@dataclass(frozen=True, slots=True)
class Backup:
    """Says what a backup holds. `newest` None: nothing was ever decided."""

    entries: int
    head: str  # hash of the newest entry of evidence
    newest: datetime | None
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class PutBack:
    backup: Backup
    restored: RestoredDatabase
    aside: Path | None  # where the database before it is kept; None: there was none


async def back_up(url: str, file: Path) -> Backup:
    """Raises UserError, Unsound and OSError; then there is no such file."""
    path = file_of(url)
    if path is None:
        raise UserError(DUMP)
    if not path.exists():
        raise UserError(f"{path} is not there: nothing was ever stored.")
    draft = file.with_name(f"{file.name}.unfinished")
    try:
        await asyncio.to_thread(_copy, path, draft)
        found = await _examined(draft)
        await asyncio.to_thread(_publish, draft, file)
    except (sqlite3.DatabaseError, Unsound) as problem:
        raise Unsound(f"{path} is damaged, so there is no backup of it: {problem}.") from problem
    finally:
        draft.unlink(missing_ok=True)
    return found


async def put_back(url: str, file: Path, at: datetime, by: str) -> PutBack:
    """Only while nobody else has the database open for writing: the caller holds the lock file.

    Raises UserError, NewerDatabase and OSError; then the database is what it was.
    """
    path = file_of(url)
    if path is None:
        raise UserError(LOAD)
    if not file.is_file():
        raise UserError(f"{file} is no file. Name a backup that `rollback-bot db backup` made.")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".restoring.db")
    try:
        await asyncio.to_thread(_copy, file, draft)
        found = await _examined(draft)
        now = await _made_ours(draft, at, by)
        aside = await asyncio.to_thread(_swap, draft, path, at)
    except (sqlite3.DatabaseError, Unsound) as problem:
        raise UserError(
            f"{file} is no sound backup: {problem}. Nothing was changed; take another."
        ) from problem
    finally:
        for leftover in (draft, draft.with_suffix(f".before-{HEAD}.db")):
            leftover.unlink(missing_ok=True)
    return PutBack(found, now, aside)


def _copy(source: Path, draft: Path) -> None:
    """Copies for us alone, from the first byte. Raises sqlite3.DatabaseError."""
    draft.unlink(missing_ok=True)  # of an attempt that was killed
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    copy(source, draft)
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("pragma journal_mode = delete")  # one file, whoever reads it


async def _examined(draft: Path) -> Backup:
    """Raises Unsound."""
    database = open_database(sqlite_url(draft))
    try:
        if await revision(database) is None:
            raise Unsound("it is no database of this program")
        if damage := await damage_of(database, fully_up_to=None):
            raise Unsound(damage)
        return await _described(database, draft)
    finally:
        await database.close()


async def _described(database: Database, draft: Path) -> Backup:
    async with database.read() as connection:
        n, head = await head_of(connection)
        newest = await connection.scalar(select(evidence.c.at).where(evidence.c.n == n))
    return Backup(n, head, loaded_if(newest), draft.stat().st_size)


def _publish(draft: Path, file: Path) -> None:
    """Under its name only when it is complete. Raises UserError."""
    _sync(draft)
    try:
        os.link(draft, file)  # unlike a rename it refuses what is there
    except FileExistsError:
        raise UserError(f"{file} is there already, and is not overwritten. Choose another name.") from None
    sync_folder(file.parent)


async def _made_ours(draft: Path, at: datetime, by: str) -> RestoredDatabase:
    """At this program's version, under a new name, read only until people confirm."""
    database = open_database(sqlite_url(draft))
    try:
        await upgrade(database)
        return await mark_restored(database, at, by)
    finally:
        await database.close()


def _swap(draft: Path, path: Path, at: datetime) -> Path | None:
    """In one moment; what stood there before stays under another name."""
    _sync(draft)
    beside(path).unlink(missing_ok=True)  # it is of the file before
    aside = path.with_name(f"{path.name}.before-restore-{at:%Y%m%dT%H%M%SZ}") if path.exists() else None
    if aside is not None:
        _keep(path, aside)
        _drop_log(path)
    os.replace(draft, path)
    sync_folder(path.parent)
    return aside


def _keep(path: Path, aside: Path) -> None:
    """Under a second name before SQLite looks at it: that throws the log of a damaged file away."""
    names = [(path, aside), (_log_of(path), _log_of(aside))]
    kept = [(one, other) for one, other in names if one.exists()]
    for one, other in kept:
        os.link(one, other)
    try:
        with suppress(sqlite3.DatabaseError):  # damaged: perhaps that is why a backup is put back
            _checkpoint(path)
    except UserError:
        for _, other in kept:
            other.unlink()
        raise


def _drop_log(path: Path) -> None:
    """The new file must never be read with the old one's log, which is kept with the old one."""
    for part in (_log_of(path), path.with_name(f"{path.name}-shm")):
        part.unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _checkpoint(path: Path) -> None:
    """Raises UserError while somebody reads: what stands only in the log would be parted from its file."""
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
            raise UserError(f"Another process has {path} open. End it, then try again.")


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
