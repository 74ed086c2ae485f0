"""How the rows of two SQLite databases differ, table by table: new, changed and returning rows, by content.

Where both tables have the same primary key, of plain bytes, rows are the same by key and differ by value. All
other tables are compared as heaps of rows: a changed one is there a new row and a returning one.
A comparison counts what a collation or a type would hide: `A` is not `a`, and `1.0` is not `1`.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from backends.sqlite.collations import stand_in
from backends.sqlite.identifiers import folded, quoted
from backends.sqlite.reading import OutOfTime, deadline, is_foreign, schema, shadows_of, tables
from bot.contract import BrokenText, Cell
from bot.model import Change

BINARY: Final = "BINARY"
LITERAL: Final = (
    re.compile(  # numbers, strings and blobs: an expression gave what it gave when the row was written
        r"NULL|TRUE|FALSE|[+-]?(0x[0-9a-f]+|(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?)|x?'([^']|'')*'", re.IGNORECASE
    )
)
TEXT_INDEX: Final = re.compile(r"\bUSING\s+[\"'`\[]?fts\d", re.IGNORECASE)
PER_TABLE: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG})
HIDES_ROWS: Final = "an index without content gives no row back"
COMPUTED: Final = frozenset({2, 3})  # of `hidden`: a generated column, virtual or stored


@dataclass(frozen=True, slots=True)
class Difference:
    """How the rows of a live table differ from those of a backup."""

    table: str
    added: int
    changed: int
    deleted: int
    without: tuple[
        str, ...
    ] = ()  # collations that only the application has: its values were compared by bytes

    @property
    def none(self) -> bool:
        return not (self.added or self.changed or self.deleted)


@dataclass(frozen=True, slots=True)
class NotCompared:
    """A table of which nobody knows how it differs."""

    table: str
    why: str
    late: bool = False  # there was not time enough
    damaged: bool = False  # SQLite says so


Compared: TypeAlias = Difference | NotCompared
Different: TypeAlias = tuple[Change, tuple[Cell, ...] | None, tuple[Cell, ...] | None]
"""A row in the live database and in the backup; None: it is not there."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str  # quoted; in small letters, as SQLite takes names
    title: str  # as it was created
    default: str  # a literal as the column stores it; NULL where there is none, or where it is no literal


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of one of the two databases."""

    database: str  # main: the live one, or point
    name: str
    columns: tuple[_Column, ...]
    key: tuple[str, ...]  # quoted; empty: none that tells rows apart by their bytes
    key_types: tuple[str, ...]  # as declared
    hides_rows: bool  # what it holds cannot be read
    computed: tuple[str, ...] = ()  # titles of the columns that follow from the others

    @property
    def rows(self) -> str:
        return f"{self.database}.{quoted(self.name)}"

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(column.title for column in self.columns)

    def values(self, alias: str) -> str:
        return ", ".join(f"{alias}.{column.name}" for column in self.columns)


@dataclass(frozen=True, slots=True)
class TablePair:
    """One table in the live database and in the backup, and how its rows are told apart."""

    name: str
    now: _Table | None  # None: the live database has no such table
    then: _Table | None
    key: tuple[str, ...]  # quoted; empty: whole rows are compared
    without: tuple[str, ...] = ()  # collations that only the application has: it is compared by bytes

    @property
    def hides_rows(self) -> bool:
        return any(table is not None and table.hides_rows for table in (self.now, self.then))


@dataclass(frozen=True, slots=True)
class TableNames:
    """Every table of both databases, by its folded name."""

    live: Mapping[str, str]
    old: Mapping[str, str]
    without: Mapping[str, tuple[str, ...]]  # collations that only the application has


def differences(connection: sqlite3.Connection, names: Iterable[str], seconds: float) -> tuple[Compared, ...]:
    """Compares every table that is in at least one of the two, those of `names` first, in this order.

    `connection` is from `beside`. All are seen at one moment; what is not finished within `seconds` is
    NotCompared.
    """
    connection.execute("BEGIN")  # a reader beside the writers; with a rollback journal, see the caller
    try:
        both = tables_of_both(connection)
        with deadline(connection, seconds) as late:
            return tuple(found for _, found in compared(connection, both, names, late))
    finally:
        connection.execute("ROLLBACK")


def tables_of_both(connection: sqlite3.Connection) -> TableNames:
    """Sees to it, too, that each can be read without the collations that only the application has."""
    live, old = _by_name(tables(connection)), _by_name(tables(connection, "point"))
    return TableNames(live, old, stand_in(connection))


def compared(
    connection: sqlite3.Connection,
    both: TableNames,
    names: Iterable[str] = (),
    late: OutOfTime | None = None,
) -> Iterator[tuple[TablePair | None, Compared]]:
    """Yields how each table differs, with the pair that was compared, or None where it could not be.

    `late`: why a statement is interrupted that takes too long; None: an interruption ends all of it.
    """
    for name in _each(names, both.live, both.old):
        yield _compared(connection, name, both, late)


def pair_called(connection: sqlite3.Connection, name: str) -> TablePair | None:
    """None: neither of the two has such a table."""
    both = tables_of_both(connection)
    known = {**both.old, **both.live}.get(folded(name))
    return None if known is None else _pair(connection, known, both)


def _by_name(names: Iterable[str]) -> Mapping[str, str]:
    """Returns the names by how SQLite compares them."""
    return {folded(name): name for name in names}


def _each(names: Iterable[str], live: Mapping[str, str], old: Mapping[str, str]) -> Iterable[str]:
    """Returns the names that are asked for and then all others, each once."""
    known = {**old, **live}
    asked = dict.fromkeys(folded(name) for name in names)
    return [known[name] for name in (*asked, *sorted(known.keys() - asked.keys())) if name in known]


def _compared(
    connection: sqlite3.Connection, name: str, both: TableNames, late: OutOfTime | None
) -> tuple[TablePair | None, Compared]:
    try:
        pair = _pair(connection, name, both)
        return pair, _counted(connection, pair)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_INTERRUPT and late is not None:
            return None, NotCompared(name, str(late), late=True)
        if (found := not_compared(name, error)) is None:
            raise
        return None, found


def not_compared(name: str, error: sqlite3.DatabaseError) -> NotCompared | None:
    """None: the error is not about this table alone."""
    code = error.sqlite_errorcode & 0xFF
    if code not in PER_TABLE:
        return None
    why = f"{error}: only the application has it" if is_foreign(error) else str(error)
    return NotCompared(name, why, damaged=code == sqlite3.SQLITE_CORRUPT)


def _pair(connection: sqlite3.Connection, name: str, both: TableNames) -> TablePair:
    now = _table(connection, "main", name) if folded(name) in both.live else None
    then = _table(connection, "point", name) if folded(name) in both.old else None
    key: tuple[str, ...] = ()
    if now and then and now.key and (now.key, now.key_types) == (then.key, then.key_types):
        tells_apart = not _nameless(connection, now) and not _nameless(connection, then)
        key = now.key if tells_apart else ()
    return TablePair(name, now, then, key, both.without.get(folded(name), ()))


def _counted(connection: sqlite3.Connection, pair: TablePair) -> Compared:
    match pair:
        case TablePair(now=_Table() as now, then=None):
            found = Difference(pair.name, _count(connection, now), 0, 0)
        case TablePair(now=None, then=_Table() as then):
            found = Difference(pair.name, 0, 0, _count(connection, then))
        case TablePair(now=_Table() as now, then=_Table() as then) if not pair.hides_rows:
            found = _by_key(connection, now, then) if pair.key else _as_heaps(connection, now, then)
        case _:
            return NotCompared(pair.name, HIDES_ROWS)
    return replace(found, without=pair.without)


def _by_key(connection: sqlite3.Connection, now: _Table, then: _Table) -> Difference:
    first = now.key[0]
    rows, added, changed = connection.execute(
        f"SELECT count(*), coalesce(sum(b.{first} IS NULL), 0),"  # noqa: S608
        f" coalesce(sum(b.{first} IS NOT NULL AND ({_unlike(now, then)})), 0)"
        f" FROM {now.rows} AS a LEFT JOIN {then.rows} AS b ON {_same(now)}"
    ).fetchone()
    before = _count(connection, then)
    return Difference(now.name, added, changed, before - (rows - added))


def _same(table: _Table) -> str:
    return " AND ".join(f"a.{column} = b.{column} COLLATE BINARY" for column in table.key)


def _nameless(connection: sqlite3.Connection, table: _Table) -> bool:
    """Whether a row has no key: SQLite lets a primary key be NULL, several times."""
    missing = " OR ".join(f"{column} IS NULL" for column in table.key)
    found = connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table.rows} WHERE {missing})").fetchone()  # noqa: S608
    return bool(found[0])


def _unlike(now: _Table, then: _Table) -> str:
    """Whether two rows of the same key differ. A column that only one has counts unless it is its default."""
    here, there = {c.name: c for c in now.columns}, {c.name: c for c in then.columns}
    both = [name for name in here if name in there and name not in now.key]
    unlike = [f"a.{name} IS NOT b.{name} COLLATE BINARY" for name in both]
    unlike += [f"typeof(a.{name}) <> typeof(b.{name})" for name in (*now.key, *both)]
    unlike += [f"a.{c.name} IS NOT {c.default}" for c in now.columns if c.name not in there]
    unlike += [f"b.{c.name} IS NOT {c.default}" for c in then.columns if c.name not in here]
    return _any_of(unlike)


def _any_of(conditions: Sequence[str]) -> str:
    """A tree of ORs that is no deeper than it must be: SQLite takes one of a thousand levels, not more."""
    if len(conditions) < 3:
        return " OR ".join(conditions) or "0"
    half = len(conditions) // 2
    return f"({_any_of(conditions[:half])}) OR ({_any_of(conditions[half:])})"


def _as_heaps(connection: sqlite3.Connection, now: _Table, then: _Table) -> Difference:
    """Pairs equal rows; of what is left over, those of the live table are new and the others return."""
    added, deleted = connection.execute(
        "SELECT coalesce(sum(max(l - o, 0)), 0), coalesce(sum(max(o - l, 0)), 0)"  # noqa: S608
        f" FROM ({_equal_rows(now, then)})"
    ).fetchone()
    return Difference(now.name, added, 0, deleted)


def _equal_rows(now: _Table, then: _Table) -> str:
    """Selects each row once, in the columns of both: how often `l` the one has it, and `o` the other."""
    columns = _columns_of_both(now, then)
    values = [f"v{n}" for n in range(len(columns))]
    return (
        f"SELECT {', '.join(values)}, sum(l) AS l, sum(o) AS o"  # noqa: S608
        f" FROM (SELECT {_values(now, then, columns)}, 1 AS l, 0 AS o FROM {now.rows}"
        f" UNION ALL SELECT {_values(then, now, columns)}, 0, 1 FROM {then.rows})"
        f" GROUP BY {', '.join(f'{v}, typeof({v})' for v in values)}"
    )


def _columns_of_both(now: _Table, then: _Table) -> Sequence[str]:
    return list(dict.fromkeys(c.name for c in (*now.columns, *then.columns)))


def _values(of: _Table, other: _Table, columns: Sequence[str]) -> str:
    """The row in the columns of both; one that this table does not have has its default."""
    own = {c.name for c in of.columns}
    defaults = {c.name: c.default for c in other.columns}
    return ", ".join(
        f"{name if name in own else defaults[name]} COLLATE BINARY AS v{n}" for n, name in enumerate(columns)
    )


def _table(connection: sqlite3.Connection, database: str, name: str) -> _Table:
    rows = connection.execute(
        "SELECT name, dflt_value, pk, hidden, type FROM pragma_table_xinfo(?, ?)", (name, database)
    ).fetchall()
    columns = tuple(
        _Column(quoted(folded(n)), n, _stored(default, declared))
        for n, default, _, hidden, declared in rows
        if not hidden  # nor generated: it follows from the others
    )
    computed = tuple(n for n, _, _, hidden, _ in rows if hidden in COMPUTED)
    parts = sorted((part, quoted(folded(n)), declared.upper()) for n, _, part, _, declared in rows if part)
    plain = _is_plain(connection, database, name)
    key = tuple(column for _, column, _ in parts) if plain else ()
    types = tuple(declared for _, _, declared in parts)
    return _Table(database, name, columns, key, types, _hides_rows(connection, database, name), computed)


def _hides_rows(connection: sqlite3.Connection, database: str, name: str) -> bool:
    """Whether it is an index of words alone. Such a one has no content of its own, and gives no row back."""
    created = {table: sql for (kind, table), sql in schema(connection, database).items() if kind == "table"}
    name = next((table for table in created if folded(table) == folded(name)), name)
    if not TEXT_INDEX.search(created.get(name, "")) or f"{name}_content" in shadows_of(name, created):
        return False
    first = connection.execute(f"SELECT * FROM {database}.{quoted(name)} LIMIT 1").fetchone()  # noqa: S608
    return first is not None and all(value is None for value in first)


def _is_plain(connection: sqlite3.Connection, database: str, name: str) -> bool:
    """Whether the primary key compares by bytes. An integer key that is the row id has no index."""
    collations = connection.execute(
        "SELECT x.coll FROM pragma_index_list(?, ?) AS l, pragma_index_xinfo(l.name, ?) AS x"
        " WHERE l.origin = 'pk' AND x.key",
        (name, database, database),
    ).fetchall()
    return all(collation == BINARY for (collation,) in collations)


def _stored(default: str | None, declared: str) -> str:
    """Returns the default as a column of this type holds it, a literal: in TEXT, 1 is '1'."""
    if default is None or not LITERAL.fullmatch(default.strip()):
        return "NULL"
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(f"CREATE TABLE t (c {quoted(declared) if declared else ''} DEFAULT {default})")
        memory.execute("INSERT INTO t DEFAULT VALUES")
        return str(memory.execute("SELECT quote(c) FROM t").fetchone()[0])


def _count(connection: sqlite3.Connection, table: _Table) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table.rows}").fetchone()[0])  # noqa: S608


# The rows themselves: by the same conditions as they are counted -----------------------------------


def different_rows(connection: sqlite3.Connection, pair: TablePair) -> Iterator[Different]:
    """Yields the rows that differ: the new ones, then the changed, then the returning.

    Without a key there are no changed ones, and the others come in no order.
    """
    with _as_stored(connection):
        match pair:
            case TablePair(now=_Table() as now, then=None):
                yield from ((Change.NEW, row, None) for row in _all_rows(connection, now))
            case TablePair(now=None, then=_Table() as then):
                yield from ((Change.RETURNS, None, row) for row in _all_rows(connection, then))
            case TablePair(now=_Table() as now, then=_Table() as then) if pair.key:
                yield from _rows_by_key(connection, now, then)
            case TablePair(now=_Table() as now, then=_Table() as then):
                yield from _rows_of_heaps(connection, now, then)


@contextmanager
def _as_stored(connection: sqlite3.Connection) -> Iterator[None]:
    """Text that is not in the encoding that it says comes as its bytes: nothing stands in for it."""
    names, connection.text_factory = connection.text_factory, _text_or_bytes
    try:
        yield
    finally:
        connection.text_factory = names


def _text_or_bytes(stored: bytes) -> str | BrokenText:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return BrokenText(stored)


def _all_rows(connection: sqlite3.Connection, table: _Table) -> Iterable[tuple[Cell, ...]]:
    return connection.execute(f"SELECT {table.values('t')} FROM {table.rows} AS t")  # noqa: S608


def _rows_by_key(connection: sqlite3.Connection, now: _Table, then: _Table) -> Iterator[Different]:
    first, same = now.key[0], _same(now)
    live, old = now.values("a"), then.values("b")
    for row in connection.execute(
        f"SELECT {live} FROM {now.rows} AS a LEFT JOIN {then.rows} AS b ON {same} WHERE b.{first} IS NULL"  # noqa: S608
    ):
        yield Change.NEW, row, None
    for row in connection.execute(
        f"SELECT {live}, {old} FROM {now.rows} AS a JOIN {then.rows} AS b ON {same}"  # noqa: S608
        f" WHERE {_unlike(now, then)}"
    ):
        yield Change.CHANGED, row[: len(now.columns)], row[len(now.columns) :]
    for row in connection.execute(
        f"SELECT {old} FROM {then.rows} AS b LEFT JOIN {now.rows} AS a ON {same} WHERE a.{first} IS NULL"  # noqa: S608
    ):
        yield Change.RETURNS, None, row


def _rows_of_heaps(connection: sqlite3.Connection, now: _Table, then: _Table) -> Iterator[Different]:
    """A row that there is several times comes as often as it is left over."""
    columns = _columns_of_both(now, then)
    live, old = ([columns.index(column.name) for column in table.columns] for table in (now, then))
    for *values, here, there in connection.execute(f"{_equal_rows(now, then)} HAVING sum(l) <> sum(o)"):
        for _ in range(here - there):
            yield Change.NEW, tuple(values[n] for n in live), None
        for _ in range(there - here):
            yield Change.RETURNS, None, tuple(values[n] for n in old)
