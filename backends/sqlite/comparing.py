"""How the rows of two SQLite databases differ, table by table: new, changed and returning rows, by content.

Where both tables have the same primary key, of plain bytes, rows are the same by key and differ by value. All
other tables are compared as heaps of rows: a changed one is there a new row and a returning one.
A comparison counts what a collation or a type would hide: `A` is not `a`, and `1.0` is not `1`.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from backends.sqlite.reading import OutOfTime, deadline, is_foreign, schema, shadows_of, tables

BINARY: Final = "BINARY"
LITERAL: Final = (
    re.compile(  # numbers, strings and blobs: an expression gave what it gave when the row was written
        r"NULL|TRUE|FALSE|[+-]?(0x[0-9a-f]+|(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?)|x?'([^']|'')*'", re.IGNORECASE
    )
)
TEXT_INDEX: Final = re.compile(r"\bUSING\s+[\"'`\[]?fts\d", re.IGNORECASE)
PER_TABLE: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG})


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


@dataclass(frozen=True, slots=True)
class _Column:
    name: str  # quoted; in small letters, as SQLite takes names
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

    @property
    def rows(self) -> str:
        return f"{self.database}.{quoted(self.name)}"


def differences(connection: sqlite3.Connection, names: Iterable[str], seconds: float) -> tuple[Compared, ...]:
    """Compares every table that is in at least one of the two, those of `names` first, in this order.

    `connection` is from `beside`. All are seen at one moment; what is not finished within `seconds` is
    NotCompared.
    """
    without = _stand_in(connection)
    connection.execute("BEGIN")  # a reader beside the writers; with a rollback journal, see the caller
    try:
        live, old = _by_name(tables(connection)), _by_name(tables(connection, "point"))
        with deadline(connection, seconds) as late:
            return tuple(
                _compared(connection, name, live.keys() - old.keys(), old.keys() - live.keys(), late, without)
                for name in _each(names, live, old)
            )
    finally:
        connection.execute("ROLLBACK")


def _by_name(names: Iterable[str]) -> Mapping[str, str]:
    """By how SQLite compares them."""
    return {folded(name): name for name in names}


def _each(names: Iterable[str], live: Mapping[str, str], old: Mapping[str, str]) -> Iterable[str]:
    """Returns the names that are asked for and then all others, each once."""
    known = {**old, **live}
    asked = dict.fromkeys(folded(name) for name in names)
    return [known[name] for name in (*asked, *sorted(known.keys() - asked.keys())) if name in known]


def _compared(
    connection: sqlite3.Connection,
    name: str,
    only_live: Set[str],
    only_old: Set[str],
    late: OutOfTime,
    without: Mapping[str, tuple[str, ...]],
) -> Compared:
    found: Compared
    try:
        if folded(name) in only_live:
            found = Difference(name, _count(connection, "main", name), 0, 0)
        elif folded(name) in only_old:
            found = Difference(name, 0, 0, _count(connection, "point", name))
        else:
            found = _compared_by_content(connection, name)
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            return NotCompared(name, str(late), late=True)
        if code not in PER_TABLE:
            raise
        why = f"{error}: only the application has it" if is_foreign(error) else str(error)
        return NotCompared(name, why, damaged=code == sqlite3.SQLITE_CORRUPT)
    return replace(found, without=without.get(folded(name), ())) if isinstance(found, Difference) else found


def _stand_in(connection: sqlite3.Connection) -> Mapping[str, tuple[str, ...]]:
    """Puts the order of bytes in the place of collations that only the application has.

    Returns them by table. No row is ever looked for by a key of theirs: such tables are read as they stand.
    """
    missing: dict[str, dict[str, None]] = {}
    for database in ("main", "point"):
        found = connection.execute(
            f"SELECT DISTINCT t.name, x.coll FROM {database}.sqlite_schema AS t,"  # noqa: S608
            " pragma_index_list(t.name, ?) AS l, pragma_index_xinfo(l.name, ?) AS x WHERE t.type = 'table'"
            " AND x.coll COLLATE NOCASE NOT IN ('BINARY', 'NOCASE', 'RTRIM') ORDER BY 2",
            (database, database),
        ).fetchall()
        for table, collation in found:
            missing.setdefault(folded(table), {})[folded(collation)] = None
    for collation in {collation for collations in missing.values() for collation in collations}:
        connection.create_collation(collation, _by_bytes)
    return {table: tuple(collations) for table, collations in missing.items()}


def _by_bytes(one: str, other: str) -> int:
    return (one > other) - (one < other)


def _compared_by_content(connection: sqlite3.Connection, name: str) -> Compared:
    now, then = (_table(connection, database, name) for database in ("main", "point"))
    if now.hides_rows or then.hides_rows:
        return NotCompared(name, "an index without content gives no row back")
    keyed = now.key and (now.key, now.key_types) == (then.key, then.key_types)
    return (_by_key(connection, now, then) if keyed else None) or _as_heaps(connection, now, then)


def _by_key(connection: sqlite3.Connection, now: _Table, then: _Table) -> Difference | None:
    """None: the key does not tell every row apart."""
    if _nameless(connection, now) or _nameless(connection, then):
        return None
    same = " AND ".join(f"a.{column} = b.{column} COLLATE BINARY" for column in now.key)
    first = now.key[0]
    rows, added, changed = connection.execute(
        f"SELECT count(*), coalesce(sum(b.{first} IS NULL), 0),"  # noqa: S608
        f" coalesce(sum(b.{first} IS NOT NULL AND ({_unlike(now, then)})), 0)"
        f" FROM {now.rows} AS a LEFT JOIN {then.rows} AS b ON {same}"
    ).fetchone()
    before = _count(connection, then.database, then.name)
    return Difference(now.name, added, changed, before - (rows - added))


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
    columns = list(dict.fromkeys(c.name for c in (*now.columns, *then.columns)))
    values = [f"v{n}" for n in range(len(columns))]
    added, deleted = connection.execute(
        f"SELECT coalesce(sum(max(l - o, 0)), 0), coalesce(sum(max(o - l, 0)), 0) FROM (SELECT sum(l) AS l,"  # noqa: S608
        f" sum(o) AS o FROM (SELECT {_values(now, then, columns)}, 1 AS l, 0 AS o FROM {now.rows}"
        f" UNION ALL SELECT {_values(then, now, columns)}, 0, 1 FROM {then.rows})"
        f" GROUP BY {', '.join(f'{v}, typeof({v})' for v in values)})"
    ).fetchone()
    return Difference(now.name, added, 0, deleted)


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
        _Column(quoted(folded(n)), _stored(default, declared))
        for n, default, _, hidden, declared in rows
        if not hidden  # nor generated: it follows from the others
    )
    parts = sorted((part, quoted(folded(n)), declared.upper()) for n, _, part, _, declared in rows if part)
    plain = _is_plain(connection, database, name)
    key = tuple(column for _, column, _ in parts) if plain else ()
    types = tuple(declared for _, _, declared in parts)
    return _Table(database, name, columns, key, types, _hides_rows(connection, database, name))


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


def _count(connection: sqlite3.Connection, database: str, name: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {database}.{quoted(name)}").fetchone()[0])  # noqa: S608


def folded(name: str) -> str:
    """Returns the name in small letters, of ASCII alone: so SQLite compares names."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
