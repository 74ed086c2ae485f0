"""The files that a database consists of: itself, and what SQLite keeps beside it."""

from pathlib import Path
from typing import Final

from backends.sqlite import packing

BESIDE: Final = ("-wal", "-shm", "-journal")
PARTS: Final = ("", *BESIDE)


def part(database: Path, suffix: str) -> Path:
    """Returns the file with this suffix. SQLite follows a link to the database before it looks beside it."""
    real = database.resolve()
    return real.with_name(real.name + suffix)


def parts_of(database: Path) -> tuple[str, ...]:
    """Returns the suffixes of those that hold something; none: the database is gone without a trace."""
    return packing.parts_of(str(part(database, "")))


def inode_of(database: Path) -> int:
    """0: there is no file."""
    try:
        return database.resolve().stat().st_ino
    except FileNotFoundError:
        return 0
