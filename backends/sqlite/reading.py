"""Reading SQLite files: how they are opened, and what their identity is.

Nothing here changes what a file holds. Every statement that may take long has a deadline.
"""

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from backends.sqlite.parts import inode_of
from bot.canonical_json import digest
from bot.contract import Blocked, Busy, Denied, StateChanged, TargetMissing, Work
from bot.errors import TemporaryError

WAIT_SECONDS = 5.0  # for a lock that somebody else holds
AT = "@"  # between schema and place in a token
DAMAGED = "!"  # between the schema, where it can be read, and how the database is damaged
VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\b", re.IGNORECASE)
FOREIGN = (
    "no such collation",
    "no such function",
    "unknown function",
    "no such module",
    "no such tokenizer",
    "unknown tokenizer",
)
FOREIGN_NAME = re.compile(r"(collation|function|module|tokenizer)[^:]*: (.+)")
NO_DATABASE = "It was overwritten, or is encrypted, or was never one"
OURS = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"  # SQLite's own tables come and go with ANALYZE


class Damaged(Blocked):
    """SQLite itself says that the file is no whole database."""


class NoDatabase(Damaged):
    """SQLite does not know it for a database. An encrypted one looks just like that."""


class Foreign(Blocked):
    """A collation, function or module is needed that only the application has."""


class OutOfTime(TemporaryError):
    """The deadline passed before the answer was there."""


def connect(database: Path, wait: float = WAIT_SECONDS) -> sqlite3.Connection:
    """A live database, never created. Not `mode=ro`: that could not undo a half-written transaction."""
    return _open(f"file:{quote(str(database.absolute()))}?mode=rw", wait)


@contextmanager
def reading(database: Path, wait: float = WAIT_SECONDS) -> Iterator[sqlite3.Connection]:
    """A live database beside its writers."""
    if not database.is_file():
        raise TargetMissing(f"{database} does not exist.")
    with sqlite_errors(), closing(connect(database, wait)) as connection:
        connection.execute("PRAGMA query_only = ON")
        yield connection


@contextmanager
def reading_backup(backup: Path) -> Iterator[sqlite3.Connection]:
    with sqlite_errors(), closing(_open(_backup_uri(backup), WAIT_SECONDS)) as connection:
        yield connection


@contextmanager
def reading_alone(database: Path) -> Iterator[sqlite3.Connection]:
    """A live database without its -wal: no lock is taken, and nothing is taken over from there."""
    with reading_backup(database) as connection:
        yield connection


@contextmanager
def beside(database: Path, backup: Path) -> Iterator[sqlite3.Connection]:
    """Both at once: the live one is `main`, the backup is `point`. Raises Blocked where SQLite has no way."""
    with reading(database) as connection:
        _attach(connection, backup)
        yield connection


@contextmanager
def two_backups(saved: Path, restored: Path) -> Iterator[sqlite3.Connection]:
    """Both at once, named as in `beside`: what was saved before a restore is `main`."""
    with reading_backup(saved) as connection:
        _attach(connection, restored)
        yield connection


def _attach(connection: sqlite3.Connection, backup: Path) -> None:
    """Raises Blocked where SQLite has no way."""
    with reading_backup(backup) as alone:
        theirs = encoding(alone)
    if (ours := encoding(connection)) != theirs and schema(connection):
        raise Blocked(f"The text encoding is {ours}, that of the backup {theirs}: SQLite compares no two.")
    connection.execute("ATTACH ? AS point", (_backup_uri(backup),))


def encoding(connection: sqlite3.Connection) -> str:
    """Returns how texts are written: UTF-8, UTF-16le or UTF-16be."""
    return str(connection.execute("PRAGMA encoding").fetchone()[0])


def identity(connection: sqlite3.Connection) -> str:
    """A hash over the schema: a migration changes it, ordinary traffic never does."""
    return digest([[kind, name, sql] for (kind, name), sql in sorted(schema(connection).items())])


def place_of(database: Path) -> str:
    """A hash over where the file is: another one in its place has another inode. Device numbers move."""
    return digest([str(database.resolve()), inode_of(database)])


def token_of(schema_now: str, place: str) -> str:
    return f"{schema_now}{AT}{place}"


def schema_of(expected: str) -> str:
    """Returns the hash of the schema that a token names; empty: SQLite could not read one."""
    return expected.partition(AT)[0].partition(DAMAGED)[0]


def damage_of(expected: str) -> str:
    """Returns how the database of a token is damaged, in one word; empty: it was seen as whole."""
    return expected.partition(AT)[0].partition(DAMAGED)[2]


def recognise(connection: sqlite3.Connection, expected: str) -> None:
    """Raises StateChanged when the schema is not that of the token."""
    if identity(connection) != schema_of(expected):
        raise StateChanged("The schema is not the one that the plan was made for.")


def refuse_unplaced(work: Work) -> None:
    """Only what an earlier version planned may leave open which file is meant."""
    if AT not in work.expected and not work.unsigned:
        raise StateChanged("The plan does not say which file it was made for.")


def recognise_place(database: Path, expected: str) -> None:
    """Raises StateChanged when the file is not that of the token; one of an earlier version names none."""
    place = expected.partition(AT)[2]
    if place and place_of(database) != place:
        raise StateChanged(f"{database} is another file than the one that the plan was made for.")


def schema(connection: sqlite3.Connection, database: str = "main") -> Mapping[tuple[str, str], str]:
    """Kind and name of everything that was created, to the statement that creates it."""
    rows = connection.execute(f"SELECT type, name, sql FROM {database}.sqlite_schema WHERE {OURS}")  # noqa: S608
    return {(kind, name): sql or "" for kind, name, sql in rows}


def tables(connection: sqlite3.Connection, database: str = "main") -> frozenset[str]:
    """Returns those that hold rows of their own: the shadows of a virtual table are told by that table."""
    created = {name: sql for (kind, name), sql in schema(connection, database).items() if kind == "table"}
    hidden = {
        shadow
        for name in created
        for shadow, sql in shadows_of(name, created).items()
        if created.get(shadow) == sql
    }
    return frozenset(created.keys() - hidden)


def shadows_of(name: str, created: Mapping[str, str]) -> Mapping[str, str]:
    """Returns what SQLite itself makes for a virtual table, by name; nothing for any other table.

    A name says nothing: a table of somebody's own may be called like a shadow. Of a module that only the
    application has nothing is known. `created`: every table of the database, and how it was created.
    """
    sql = created[name]
    if not VIRTUAL.match(sql):
        return {}
    beside = tuple(
        other for table, other in sorted(created.items()) if not table.startswith(f"{name}_") and other != sql
    )
    return dict(_made_for(sql) or _made_for(sql, beside))


@lru_cache(maxsize=1_000)
def _made_for(sql: str, beside: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """Makes the table once more, in memory. `beside`: other tables that it may need; empty: it was no use."""
    with closing(sqlite3.connect(":memory:")) as memory:
        for other in beside:
            with suppress(sqlite3.Error):  # what cannot be made here is not what it needs
                memory.execute(other)
        listed = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage"
        before = set(memory.execute(listed))
        try:
            memory.execute(sql)
        except sqlite3.Error:
            return ()
        return tuple(sorted(set(memory.execute(listed)) - before))


def version(connection: sqlite3.Connection) -> int:
    """SQLite's counter of schema changes. A restore adds exactly one, whatever it restores."""
    return int(connection.execute("PRAGMA schema_version").fetchone()[0])


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """The answer of `integrity_check` or `quick_check`."""

    fault: str = ""  # the first; empty: none was found
    not_read: tuple[str, ...] = ()  # what was not looked at, and why


def checked(connection: sqlite3.Connection, how: str, seconds: float) -> CheckedFile:
    """Checks the file, or all tables but those that only the application can check. Raises OutOfTime."""
    with deadline(connection, seconds):
        try:
            return CheckedFile(_first_fault(connection, f"{how}(1)"))
        except sqlite3.OperationalError as error:
            if not is_foreign(error):
                raise
        names = sorted(name for kind, name in schema(connection) if kind == "table")
        return _checked_one_by_one(connection, how, ("sqlite_schema", *names))


def _checked_one_by_one(connection: sqlite3.Connection, how: str, names: Iterable[str]) -> CheckedFile:
    not_read: list[str] = []
    for name in names:
        quoted = name.replace('"', '""')
        try:
            if fault := _first_fault(connection, f'{how}("{quoted}")'):
                return CheckedFile(fault, tuple(not_read))
        except sqlite3.OperationalError as error:
            if not is_foreign(error):
                raise
            not_read.append(f"`{name}` needs {foreign_name(error)}")
    return CheckedFile("", tuple(not_read))


def _first_fault(connection: sqlite3.Connection, check: str) -> str:
    first = str(connection.execute(f"PRAGMA {check}").fetchone()[0])
    return "" if first == "ok" else " ".join(first.split())


@contextmanager
def deadline(connection: sqlite3.Connection, seconds: float) -> Iterator[OutOfTime]:
    """Interrupts every statement that still runs after `seconds`, with what is yielded."""
    late = OutOfTime(f"not finished after {seconds:.0f} s")
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        yield late
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise late from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def is_foreign(error: sqlite3.Error) -> bool:
    """Whether something is missing that an application brings: SQLite has no code for that."""
    return str(error).startswith(FOREIGN)


def foreign_name(error: sqlite3.Error) -> str:
    """Returns what is missing, and that SQLite cannot have it: `the collation icu, which only …`."""
    found = FOREIGN_NAME.search(str(error))
    what = f"the {found[1]} {found[2]}" if found else str(error)
    return f"{what}, which only the application has"


@contextmanager
def sqlite_errors() -> Iterator[None]:
    """SQLite's refusals in the contract's words; only around what changed nothing, or was taken back."""
    try:
        yield
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                raise Busy("Another connection keeps the database locked.") from error
            case sqlite3.SQLITE_CANTOPEN:
                raise TargetMissing("The database cannot be opened: is it there, may we read it?") from error
            case sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
                raise Denied("We may not write the database or its folder.") from error
            case sqlite3.SQLITE_FULL:
                raise Blocked("The disk is full: free some space.") from error
            case sqlite3.SQLITE_NOTADB:
                raise NoDatabase(f"SQLite says: {error}. {NO_DATABASE}.") from error
            case sqlite3.SQLITE_CORRUPT:
                raise Damaged(f"SQLite says: {error}.") from error
            case sqlite3.SQLITE_ERROR if is_foreign(error):
                raise Foreign(f"It needs {foreign_name(error)}.") from error
            case _:
                raise Blocked(f"SQLite says: {error}.") from error


def _backup_uri(backup: Path) -> str:
    """A backup never changes: `immutable` takes no locks and leaves no files beside it."""
    return f"file:{quote(str(backup.absolute()))}?mode=ro&immutable=1"


def _open(uri: str, wait: float) -> sqlite3.Connection:
    # One may be handed on to another thread; no two ever use it at once.
    connection = sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str:
    """Reads what an application has written in another encoding than it says: a schema may hold it."""
    return stored.decode("utf-8", "backslashreplace")
