"""Reading SQLite files: how they are opened, what their identity is, and how two of them differ.

Nothing here changes what a file holds. Every statement that may take long has a deadline.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bot.canonical_json import digest
from bot.contract import Blocked, Busy, Denied, StateChanged, TargetMissing
from bot.errors import TemporaryError

WAIT_SECONDS = 5.0  # for a lock that somebody else holds
OURS = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"  # SQLite's own tables come and go with ANALYZE


class OutOfTime(TemporaryError):
    """The deadline passed before the answer was there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How the rows of a live table differ from those of a backup; rows are the same by key."""

    table: str
    added: int
    changed: int  # in a column that both have, by their bytes and their types
    deleted: int
    columns: tuple[str, ...] = ()  # that only one of the two has: their values were not compared
    paired: bool = True  # False: a key fits several rows, or none, so that the numbers may be too small


def connect(database: Path, wait: float = WAIT_SECONDS) -> sqlite3.Connection:
    """A live database, never created. Not `mode=ro`: that could not undo a half-written transaction."""
    return _open(f"file:{quote(str(database.absolute()))}?mode=rw", wait)


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A live database beside its writers."""
    if not database.is_file():
        raise TargetMissing(f"{database} does not exist.")
    with sqlite_errors(), closing(connect(database)) as connection:
        connection.execute("PRAGMA query_only = ON")
        yield connection


@contextmanager
def reading_backup(backup: Path) -> Iterator[sqlite3.Connection]:
    with sqlite_errors(), closing(_open(_backup_uri(backup), WAIT_SECONDS)) as connection:
        yield connection


@contextmanager
def beside(database: Path, backup: Path) -> Iterator[sqlite3.Connection]:
    """Both at once: the live one is `main`, the backup is `point`."""
    with reading(database) as connection:
        connection.execute("ATTACH ? AS point", (_backup_uri(backup),))
        yield connection


def identity(connection: sqlite3.Connection) -> str:
    """A hash over the schema: a migration changes it, ordinary traffic never does."""
    return digest([[kind, name, sql] for (kind, name), sql in sorted(schema(connection).items())])


def recognise(connection: sqlite3.Connection, expected: str) -> None:
    if identity(connection) != expected:
        raise StateChanged("The schema is not the one that the plan was made for.")


def schema(connection: sqlite3.Connection, database: str = "main") -> Mapping[tuple[str, str], str]:
    """Kind and name of everything that was created, to the statement that creates it."""
    rows = connection.execute(f"SELECT type, name, sql FROM {database}.sqlite_schema WHERE {OURS}")  # noqa: S608
    return {(kind, name): sql or "" for kind, name, sql in rows}


def tables(connection: sqlite3.Connection, database: str = "main") -> frozenset[str]:
    return frozenset(name for kind, name in schema(connection, database) if kind == "table")


def version(connection: sqlite3.Connection) -> int:
    """SQLite's counter of schema changes. A restore adds exactly one, whatever it restores."""
    return int(connection.execute("PRAGMA schema_version").fetchone()[0])


def faults(connection: sqlite3.Connection, how: str, seconds: float) -> str:
    """What `integrity_check` or `quick_check` found first; empty: nothing. Raises OutOfTime."""
    with deadline(connection, seconds):
        first = str(connection.execute(f"PRAGMA {how}(1)").fetchone()[0])
    return "" if first == "ok" else " ".join(first.split())


def differences(
    connection: sqlite3.Connection, names: Sequence[str], seconds: float
) -> tuple[Difference, ...]:
    """Of the tables that are in at least one of the two; `connection` is from `beside`. Raises OutOfTime."""
    live, old = tables(connection), tables(connection, "point")
    with deadline(connection, seconds):
        return tuple(_difference(connection, name, live, old) for name in names if name in live | old)


@contextmanager
def deadline(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise OutOfTime(f"not finished after {seconds:.0f} s") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def sqlite_errors() -> Iterator[None]:
    """SQLite's refusals in the contract's words; only around what changed nothing, or was taken back."""
    try:
        yield
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise Busy("Another connection keeps the database locked.") from error
            case sqlite3.SQLITE_CANTOPEN:
                raise TargetMissing("The database cannot be opened: is it there, may we read it?") from error
            case sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
                raise Denied("We may not write the database or its folder.") from error
            case sqlite3.SQLITE_FULL:
                raise Blocked("The disk is full: free some space.") from error
            case _:
                raise Blocked(f"SQLite says: {error}.") from error


def _difference(
    connection: sqlite3.Connection, table: str, live: frozenset[str], old: frozenset[str]
) -> Difference:
    if table not in old:
        return Difference(table, _count(connection, f"main.{_quoted(table)}"), 0, 0)
    if table not in live:
        return Difference(table, 0, 0, _count(connection, f"point.{_quoted(table)}"))
    key, both, apart = _columns(connection, table)
    now, then = f"main.{_quoted(table)} AS a", f"point.{_quoted(table)} AS b"
    same = " AND ".join(f"a.{column} IS b.{column}" for column in key)
    added = _count(connection, f"{now} WHERE {_missing_from(then, same)}")
    deleted = _count(connection, f"{then} WHERE {_missing_from(now, same)}")
    pairs = _count(connection, f"{now} JOIN {then} ON {same}")
    return Difference(
        table,
        added,
        changed=_count(connection, f"{now} JOIN {then} ON {same} WHERE {_unlike(both)}") if both else 0,
        deleted=deleted,
        columns=apart,
        paired=_count(connection, now) - added == pairs == _count(connection, then) - deleted,
    )


def _unlike(columns: Sequence[str]) -> str:
    """A column's own collation takes `A` for `a`, and numbers take `1.0` for `1`: who loses them does not."""
    return " OR ".join(
        f"a.{column} COLLATE BINARY IS NOT b.{column} OR typeof(a.{column}) <> typeof(b.{column})"
        for column in columns
    )


def _missing_from(rows: str, same: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM {rows} WHERE {same})"  # noqa: S608


def _columns(connection: sqlite3.Connection, table: str) -> tuple[list[str], list[str], tuple[str, ...]]:
    """The key by which rows are the same, the columns that both have, and those that only one has.

    The row id stands in where no primary key was declared, or where a migration changed it.
    """
    live, old = (
        dict(connection.execute("SELECT name, pk FROM pragma_table_info(?, ?)", (table, database)).fetchall())
        for database in ("main", "point")
    )
    key = [name for name, part in live.items() if part]
    both = [_quoted(name) for name in live if name in old]
    apart = tuple(sorted(live.keys() ^ old.keys()))
    if not key or key != [name for name, part in old.items() if part]:
        return ["_rowid_"], both, apart
    return [_quoted(name) for name in key], both, apart


def _count(connection: sqlite3.Connection, rows: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _backup_uri(backup: Path) -> str:
    """A backup never changes: `immutable` takes no locks and leaves no files beside it."""
    return f"file:{quote(str(backup.absolute()))}?mode=ro&immutable=1"


def _open(uri: str, wait: float) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None)
