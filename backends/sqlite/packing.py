"""Looks at the files of a database from outside: copies them byte by byte into one, or compares both.

A plain script over the standard library, started as `python -I -S packing.py WHAT DATABASE TAR`.
It is a process of its own because closing any descriptor of a database lets go of all locks that its process
holds on it, those of SQLite as well. The packed file is a tar: people can open it without the bot.

  database, database-wal, database-shm, database-journal: those that are there and hold something

`same` ends with 0 when the database, its -wal and its -journal hold what is packed, and with 1 when not.
`reads` does so when SQLite reads the schema, `checks` when quick_check finds nothing: that stops in time only
when its process is ended. Neither closes the database: SQLite would take a -wal over, or away.
"""

import os
import sys
import tarfile
from typing import IO, Final

NAME: Final = "database"
UNLIKE, FAILED = 1, 2
BLOCK_BYTES: Final = 1 << 20


def pack(database: str, packed: str) -> int:
    """The database goes first: what its -wal gets meanwhile is then in the -wal."""
    made = os.open(packed, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    with open(made, "wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for suffix in parts_of(database):
            with open(database + suffix, "rb") as source:
                tar.addfile(tar.gettarinfo(arcname=NAME + suffix, fileobj=source), source)
    return 0


def same(database: str, packed: str) -> int:
    """Leaves the -shm out: it is an index that every reader may make anew."""
    with tarfile.open(packed, mode="r:") as tar:
        kept = {name.removeprefix(NAME) for name in tar.getnames()} - {"-shm"}
        if kept != {*parts_of(database)} - {"-shm"}:
            return UNLIKE
        for suffix in kept:
            there = tar.extractfile(NAME + suffix)
            with open(database + suffix, "rb") as here:
                if there is None or not _equal(here, there):
                    return UNLIKE
    return 0


def reads(database: str, packed: str) -> int:
    return _asked(database, "SELECT 'ok' FROM (SELECT count(*) FROM sqlite_schema)")


def checks(database: str, packed: str) -> int:
    return _asked(database, "PRAGMA quick_check(1)")


def _asked(database: str, question: str) -> int:
    """Ends the process, and says what SQLite says unless that is `ok`."""
    import sqlite3
    from urllib.parse import quote

    connection = sqlite3.connect(f"file:{quote(database)}?mode=ro", uri=True)
    try:
        said, code = str(connection.execute(question).fetchone()[0]), UNLIKE
    except sqlite3.OperationalError as error:
        said, code = str(error), FAILED
    except sqlite3.DatabaseError as error:
        said, code = str(error), UNLIKE
    if said == "ok":
        os._exit(0)
    sys.stderr.write(" ".join(said.split()))
    sys.stderr.flush()
    os._exit(code)


def parts_of(database: str) -> tuple[str, ...]:
    """Returns the suffixes of the files that hold something. An empty -wal, and its index, hold nothing."""
    found = [suffix for suffix in ("", "-journal") if os.path.exists(database + suffix)]
    if os.path.exists(database + "-wal") and os.path.getsize(database + "-wal"):
        found += [suffix for suffix in ("-wal", "-shm") if os.path.exists(database + suffix)]
    return tuple(found)


def _equal(one: IO[bytes], other: IO[bytes]) -> bool:
    while True:
        block = one.read(BLOCK_BYTES)
        if block != other.read(BLOCK_BYTES):
            return False
        if not block:
            return True


if __name__ == "__main__":
    try:
        do = {"pack": pack, "same": same, "reads": reads, "checks": checks}[sys.argv[1]]
        sys.exit(do(sys.argv[2], sys.argv[3]))
    except (OSError, tarfile.TarError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(FAILED)
