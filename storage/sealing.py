"""The seal: what was known to be sound of a database file, kept beside it. What follows is in `integrity`."""

import asyncio
import hashlib
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from bot.canonical_json import canonical, digest
from storage.database import Database, file_of
from storage.tables import evidence_head


@dataclass(frozen=True, slots=True)
class Seal:
    """Says what was known to be sound, kept beside the file. `file` None: it was in use since."""

    n: int  # the newest entry of the log
    hash: str
    file: str | None  # SHA-256 of all of it


async def seal(url: str) -> None:
    """After a clean stop: the file as it is has to be there at the next start. Nothing for a server.

    Nothing either while somebody else has it open: then the next start looks through it all.
    """
    path = file_of(url)
    if path is not None and path.exists():
        await asyncio.to_thread(_seal, path)


def _seal(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        busy = connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
        if busy:
            return
        connection.execute("begin immediate")  # nobody writes while it is read
        head = connection.execute("select n, hash from evidence_head").fetchone()
        if head is not None:
            _write_seal(path, Seal(head[0], head[1], digest_of(path)))
        connection.execute("rollback")


async def take_seal_off(database: Database) -> None:
    """Before the first write: from now on the file changes. What was known of the log stays known."""
    path = file_of(database.url)
    if path is None or not path.exists():
        return
    async with database.read() as connection:
        head = (await connection.execute(select(evidence_head))).one_or_none()
    if head is not None:
        _write_seal(path, Seal(head.n, head.hash, None))


def forget_seal(database: Database) -> None:
    """Removes the seal for whoever writes without `serve`, in its transaction: the file becomes another."""
    path = file_of(database.url)
    if path is not None:
        beside(path).unlink(missing_ok=True)


def beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _write_seal(path: Path, of: Seal) -> None:
    body = {"n": of.n, "hash": of.hash, "file": of.file}
    temporary = path.with_name(f"{path.name}.seal.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(canonical({**body, "of_this": digest(body)}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, beside(path))
    sync_folder(path.parent)


def read_seal(path: Path) -> Seal | None:
    """None as well when the seal itself is damaged: it proves nothing then."""
    try:
        body = json.loads(beside(path).read_bytes())
        if body.pop("of_this") != digest(body):
            return None
        return Seal(body["n"], body["hash"], body["file"])
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def digest_of(path: Path) -> str:
    """Returns the digest with the write-ahead log, where there is one: it is part of the database."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256")
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        found.update(log.read_bytes())
    return found.hexdigest()


def sync_folder(folder: Path) -> None:
    """Makes names durable, not only what stands under them.

    Backends have a copy of their own: they and the storage never import each other, and `bot`, which both
    import, touches no files.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
