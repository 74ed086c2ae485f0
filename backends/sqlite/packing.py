"""Copies the files of a database byte by byte into one, or compares them with it.

A plain script over the standard library, started as `python -I -S packing.py pack|same DATABASE PACKED`, in a
process of its own for one reason: closing any descriptor of a database lets go of all locks that its process
holds on it, those of SQLite as well. The packed file is a tar: people can open it without the bot.

  database, database-wal, database-shm, database-journal: those that are there

`same` ends with 0 when the database, its -wal and its -journal hold what is packed, and with 1 when not.
"""

import os
import sys
import tarfile
from typing import IO, Final

PARTS: Final = ("", "-wal", "-shm", "-journal")
NAME: Final = "database"
UNLIKE, FAILED = 1, 2
BLOCK_BYTES: Final = 1 << 20


def pack(database: str, packed: str) -> int:
    """The database goes first: what its -wal gets meanwhile is then in the -wal."""
    made = os.open(packed, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    with open(made, "wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for suffix in PARTS:
            if not os.path.exists(database + suffix):
                continue
            with open(database + suffix, "rb") as source:
                tar.addfile(tar.gettarinfo(arcname=NAME + suffix, fileobj=source), source)
    return 0


def same(database: str, packed: str) -> int:
    """Leaves the -shm out: it is an index that every reader may make anew."""
    with tarfile.open(packed, mode="r:") as tar:
        kept = set(tar.getnames())
        for suffix in ("", "-wal", "-journal"):
            if (NAME + suffix in kept) != os.path.exists(database + suffix):
                return UNLIKE
            if NAME + suffix in kept:
                there = tar.extractfile(NAME + suffix)
                with open(database + suffix, "rb") as here:
                    if there is None or not _equal(here, there):
                        return UNLIKE
    return 0


def _equal(one: IO[bytes], other: IO[bytes]) -> bool:
    while True:
        block = one.read(BLOCK_BYTES)
        if block != other.read(BLOCK_BYTES):
            return False
        if not block:
            return True


if __name__ == "__main__":
    try:
        sys.exit({"pack": pack, "same": same}[sys.argv[1]](sys.argv[2], sys.argv[3]))
    except (OSError, tarfile.TarError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(FAILED)
