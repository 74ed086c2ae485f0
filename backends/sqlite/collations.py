"""Collations that only the application has: the order of bytes stands in for each."""

import sqlite3
from collections.abc import Mapping

from backends.sqlite.identifiers import folded


def stand_in(connection: sqlite3.Connection) -> Mapping[str, tuple[str, ...]]:
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
