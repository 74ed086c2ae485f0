"""How the rows of two databases differ: what a rollback would change is counted, and is never 0."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.sqlite.comparing import Compared, Difference, NotCompared, differences
from backends.sqlite.identifiers import quoted
from backends.sqlite.reading import beside

LONG_SECONDS = 30.0
Value = int | float | str | bytes | None
Row = tuple[Value, ...]


class Pair:
    """A live database, and the backup of it that `back_up` makes."""

    def __init__(self, folder: Path) -> None:
        self.live = folder / "live.db"
        self.backup = folder / "backup.db"

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.live, isolation_level=None)) as live:
            live.create_collation("icu", lambda a, b: (a > b) - (a < b))
            live.execute("PRAGMA synchronous = OFF")
            live.create_function("own", 1, lambda value: value, deterministic=True)
            for statement in statements:
                live.execute(statement)

    def back_up(self) -> None:
        self.backup.write_bytes(self.live.read_bytes())

    def compared(self, *names: str, seconds: float = LONG_SECONDS) -> tuple[Compared, ...]:
        with beside(self.live, self.backup) as both:
            return differences(both, names, seconds)

    def differs(self, table: str) -> tuple[int, int, int]:
        (found,) = (one for one in self.compared() if one.table == table)
        assert isinstance(found, Difference), found
        return found.added, found.changed, found.deleted

    def why_not(self, table: str) -> str:
        (found,) = (one for one in self.compared() if one.table == table)
        assert isinstance(found, NotCompared), found
        return found.why


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


# Each: how the table is made and filled, what happens since the backup, and (new, changed, returning) rows.
KINDS: Mapping[str, tuple[Sequence[str], Sequence[str], tuple[int, int, int]]] = {
    "nothing happened": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 'a')"],
        [],
        (0, 0, 0),
    ),
    "each way at once": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"],
        [
            "UPDATE t SET v = 9 WHERE id = 1",
            "DELETE FROM t WHERE id = 2",
            "INSERT INTO t VALUES (7, 7), (8, 8)",
        ],
        (2, 1, 1),
    ),
    "keys that other rows have taken after a rollback": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t (v) VALUES ('a'), ('b'), ('c')"],
        ["DELETE FROM t WHERE id > 1", "INSERT INTO t (v) VALUES ('new b'), ('new c'), ('new d')"],
        (1, 2, 0),
    ),
    "values that differ in small letters alone": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT COLLATE NOCASE)", "INSERT INTO t VALUES (1, 'A')"],
        ["UPDATE t SET v = 'a'"],
        (0, 1, 0),
    ),
    "values that differ in the blanks at the end alone": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT COLLATE RTRIM)", "INSERT INTO t VALUES (1, 'A')"],
        ["UPDATE t SET v = 'A  '"],
        (0, 1, 0),
    ),
    "keys that differ in small letters alone": (
        ["CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v)", "INSERT INTO t VALUES ('A', 1), ('b', 2)"],
        ["UPDATE t SET k = 'a' WHERE k = 'A'"],
        (1, 0, 1),
    ),
    "a key of bytes over a column that is blind to small letters": (
        [
            "CREATE TABLE t (k TEXT COLLATE NOCASE, v, PRIMARY KEY (k COLLATE BINARY))",
            "INSERT INTO t VALUES ('A', 1), ('a', 2)",
        ],
        ["UPDATE t SET v = 3 WHERE v = 2"],
        (0, 1, 0),
    ),
    "1 against 1.0": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 1)"],
        ["UPDATE t SET v = 1.0"],
        (0, 1, 0),
    ),
    "1 against 1.0 without a key": (
        ["CREATE TABLE t (v)", "INSERT INTO t VALUES (1)"],
        ["UPDATE t SET v = 1.0"],
        (1, 0, 1),
    ),
    "1 against 1.0 in the key": (
        ["CREATE TABLE t (k PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 'a')"],
        ["UPDATE t SET k = 1.0"],
        (0, 1, 0),
    ),
    "text against a blob": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 'a')"],
        ["UPDATE t SET v = x'61'"],
        (0, 1, 0),
    ),
    "a value that becomes NULL, and back": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 1), (2, NULL), (3, NULL)"],
        ["UPDATE t SET v = NULL WHERE id = 1", "UPDATE t SET v = 2 WHERE id = 2"],
        (0, 2, 0),
    ),
    "keys that are NULL, several times": (
        [
            "CREATE TABLE t (k TEXT PRIMARY KEY, v)",
            "INSERT INTO t VALUES (NULL, 1), (NULL, 1), (NULL, 2), ('a', 3)",
        ],
        ["UPDATE t SET v = 9 WHERE v = 2", "DELETE FROM t WHERE rowid = 1"],
        (1, 0, 2),
    ),
    "part of a key that is NULL": (
        ["CREATE TABLE t (a, b, v, PRIMARY KEY (a, b))", "INSERT INTO t VALUES (1, NULL, 1), (1, 2, 2)"],
        ["UPDATE t SET v = 9 WHERE b IS NULL"],
        (1, 0, 1),
    ),
    "rows without a key that are equal": (
        ["CREATE TABLE t (v)", "INSERT INTO t VALUES ('a'), ('a'), ('a'), ('b')"],
        ["DELETE FROM t WHERE rowid = 1", "INSERT INTO t VALUES ('b'), ('c')"],
        (2, 0, 1),
    ),
    "a key that is no row id": (
        [
            "CREATE TABLE t (a, b, v, PRIMARY KEY (b, a)) WITHOUT ROWID",
            "INSERT INTO t VALUES (1, 2, 3), (2, 1, 4)",
        ],
        ["UPDATE t SET v = 0 WHERE a = 1", "INSERT INTO t VALUES (3, 3, 3)"],
        (1, 1, 0),
    ),
    "a key that is another one now": (
        [
            "CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT) WITHOUT ROWID",
            "INSERT INTO t VALUES ('x', 'y'), ('z', 'y')",
        ],
        [
            "DROP TABLE t",
            "CREATE TABLE t (a TEXT, b TEXT PRIMARY KEY) WITHOUT ROWID",
            "INSERT INTO t VALUES ('x', 'y')",
        ],
        (0, 0, 1),
    ),
    "a key of another type": (
        ["CREATE TABLE t (k TEXT PRIMARY KEY, v)", "INSERT INTO t VALUES ('1', 1), ('01', 1)"],
        ["DROP TABLE t", "CREATE TABLE t (k INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 1)"],
        (1, 0, 2),
    ),
    "a column of defaults": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"],
        ["ALTER TABLE t ADD COLUMN gift INTEGER DEFAULT 1", "INSERT INTO t VALUES (3, 1)"],
        (1, 0, 0),
    ),
    "a column with other values than its default": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)"],
        ["ALTER TABLE t ADD COLUMN gift INTEGER DEFAULT 1", "UPDATE t SET gift = 2 WHERE id < 3"],
        (0, 2, 0),
    ),
    "a column of defaults without a key": (
        ["CREATE TABLE t (v)", "INSERT INTO t VALUES (1), (2)"],
        ["ALTER TABLE t ADD COLUMN gift TEXT DEFAULT 1", "INSERT INTO t VALUES (3, 'x')"],
        (1, 0, 0),
    ),
    "a column of blobs": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"],
        ["ALTER TABLE t ADD COLUMN c DEFAULT x'00ff'", "UPDATE t SET c = 'other' WHERE id = 2"],
        (0, 1, 0),
    ),
    "a column that was dropped with what it held": (
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)",
            "INSERT INTO t VALUES (1, 1, NULL), (2, 2, 'kept')",
        ],
        ["ALTER TABLE t DROP COLUMN w"],
        (0, 1, 0),
    ),
    "a column in other letters": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 1), (2, 2)"],
        ["ALTER TABLE t RENAME COLUMN v TO V", "UPDATE t SET v = 9 WHERE id = 1"],
        (0, 1, 0),
    ),
    "columns that are computed": (
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w AS (v * 2), x AS (v * 3) STORED)",
            "INSERT INTO t VALUES (1, 1), (2, 2)",
        ],
        ["UPDATE t SET v = 5 WHERE id = 1"],
        (0, 1, 0),
    ),
    "columns called like the row id": (
        [
            "CREATE TABLE t (rowid TEXT, _rowid_ TEXT, oid TEXT, v)",
            "INSERT INTO t VALUES ('a', 'a', 'a', 1), ('a', 'a', 'a', 1)",
        ],
        ["DELETE FROM t", "INSERT INTO t VALUES ('a', 'a', 'a', 1)"],
        (0, 0, 1),
    ),
    "a word index": (
        ["CREATE VIRTUAL TABLE t USING fts5 (words)", "INSERT INTO t VALUES ('one'), ('two')"],
        ["UPDATE t SET words = 'three' WHERE words = 'two'", "INSERT INTO t VALUES ('four')"],
        (2, 0, 1),
    ),
    "an older word index": (
        ["CREATE VIRTUAL TABLE t USING fts4 (words)", "INSERT INTO t VALUES ('one'), ('two')"],
        ["DELETE FROM t WHERE words = 'two'"],
        (0, 0, 1),
    ),
    "an index of places": (
        ["CREATE VIRTUAL TABLE t USING rtree (id, x0, x1)", "INSERT INTO t VALUES (1, 0, 1), (2, 0, 1)"],
        ["UPDATE t SET x1 = 5 WHERE id = 2"],
        (1, 0, 1),
    ),
    "a table that is new": (
        ["CREATE TABLE other (v)"],
        ["CREATE TABLE t (v)", "INSERT INTO t VALUES (1), (1)"],
        (2, 0, 0),
    ),
    "a table that is gone": (
        ["CREATE TABLE t (v)", "INSERT INTO t VALUES (1), (1), (2)", "CREATE TABLE other (v)"],
        ["DROP TABLE t"],
        (0, 0, 3),
    ),
    "a table that became a view": (
        ["CREATE TABLE t (v)", "INSERT INTO t VALUES (1)"],
        ["DROP TABLE t", "CREATE VIEW t AS SELECT 1 AS v"],
        (0, 0, 1),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_going_back_would_change_is_counted(pair: Pair, kind: str) -> None:
    before, since, expected = KINDS[kind]
    pair.run(*before)
    pair.back_up()
    pair.run(*since)
    assert pair.differs("t") == expected


def test_a_mass_change_is_counted_in_every_table_that_it_touched(pair: Pair) -> None:
    """A music shop: prices are set to 0, playlists lose songs, and one genre is added."""
    pair.run(
        "CREATE TABLE Genre (GenreId INTEGER PRIMARY KEY, Name NVARCHAR(120))",
        "CREATE TABLE Track (TrackId INTEGER PRIMARY KEY, Name, UnitPrice NUMERIC(10,2) NOT NULL)",
        "CREATE TABLE PlaylistTrack (PlaylistId INTEGER, TrackId INTEGER, PRIMARY KEY (PlaylistId, TrackId))",
        "INSERT INTO Genre VALUES (1, 'Rock')",
        f"INSERT INTO Track {_NUMBERS} SELECT i, 'song ' || i, 0.99 FROM n",
        f"INSERT INTO PlaylistTrack {_NUMBERS} SELECT i % 7, i FROM n",
    )
    pair.back_up()
    pair.run(
        "UPDATE Track SET UnitPrice = 0 WHERE TrackId <= 1297",
        "DELETE FROM PlaylistTrack WHERE TrackId <= 497",
        "INSERT INTO Genre VALUES (2, 'Noise')",
    )
    assert pair.compared("Genre") == (
        Difference("Genre", 1, 0, 0),
        Difference("PlaylistTrack", 0, 0, 497),
        Difference("Track", 0, 1297, 0),
    )


_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3503)"


def test_a_name_in_other_letters_is_the_same_table(pair: Pair) -> None:
    pair.run("CREATE TABLE Orders (id INTEGER PRIMARY KEY)", "INSERT INTO Orders VALUES (1)")
    pair.back_up()
    pair.run(
        "ALTER TABLE Orders RENAME TO o", "ALTER TABLE o RENAME TO orders", "INSERT INTO orders VALUES (2)"
    )
    assert pair.compared("ORDERS") == (Difference("orders", 1, 0, 0),)


@pytest.mark.parametrize(
    "name", ['x"; DROP TABLE orders; --', "it's", "a b", "[x]", "`x`", "selecț", "%s", "point"]
)
def test_strange_names_are_names(pair: Pair, name: str) -> None:
    table = quoted(name)
    pair.run("CREATE TABLE orders (v)", f"CREATE TABLE {table} ({table} INTEGER PRIMARY KEY, v)")
    pair.run(f"INSERT INTO {table} VALUES (1, 1)")
    pair.back_up()
    pair.run(f"UPDATE {table} SET v = 2", f"INSERT INTO {table} VALUES (2, 2)")
    assert pair.differs(name) == (1, 1, 0)


def test_every_table_is_compared_and_those_that_are_named_come_first(pair: Pair) -> None:
    pair.run(*(f"CREATE TABLE {name} (v)" for name in "abcd"))
    pair.back_up()
    assert [one.table for one in pair.compared("c", "nobody", "b")] == ["c", "b", "a", "d"]


def test_the_shadows_of_a_virtual_table_are_not_counted(pair: Pair) -> None:
    pair.run(
        "CREATE VIRTUAL TABLE words USING fts5 (w)", "CREATE VIRTUAL TABLE places USING rtree (id, a, b)"
    )
    pair.run("CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT)", "ANALYZE")
    pair.back_up()
    assert [one.table for one in pair.compared()] == ["orders", "places", "words"]


def test_the_rows_that_an_index_is_built_over_are_counted(pair: Pair) -> None:
    pair.run("CREATE TABLE words_content (id INTEGER PRIMARY KEY, w TEXT)")
    pair.run("CREATE VIRTUAL TABLE words USING fts5 (w, content = words_content, content_rowid = id)")
    pair.back_up()
    pair.run("INSERT INTO words_content (w) VALUES ('new')")
    (content,) = [one for one in pair.compared() if one.table == "words_content"]
    assert isinstance(content, Difference)
    assert content.added == 1


@pytest.mark.parametrize(
    ("index", "own"),
    [
        ("fts3 (w)", "words_stat (day TEXT PRIMARY KEY, hits)"),
        ("fts4 (w, matchinfo=fts3)", "words_docsize (docid INTEGER PRIMARY KEY, size BLOB)"),
        ("fts5 (w, columnsize = 0)", "words_docsize (id INTEGER PRIMARY KEY, sz BLOB)"),
        ("rtree (id, a, b)", "words_content (id INTEGER PRIMARY KEY, c0)"),
    ],
)
def test_a_table_that_is_only_called_like_a_shadow_is_counted(pair: Pair, index: str, own: str) -> None:
    pair.run(f"CREATE VIRTUAL TABLE words USING {index}", f"CREATE TABLE {own}")
    pair.back_up()
    table = own.partition(" ")[0]
    pair.run(f"INSERT INTO {table} VALUES (1, 1), (2, 2)")
    assert Difference(table, 2, 0, 0) in pair.compared()


def test_the_shadows_of_an_index_that_needs_another_table_are_not_counted(pair: Pair) -> None:
    pair.run("CREATE TABLE texts (w)", "CREATE VIRTUAL TABLE words USING fts4 (content='texts')")
    pair.back_up()
    assert [one.table for one in pair.compared()] == ["texts", "words"]


def test_a_table_of_many_columns_is_compared(pair: Pair) -> None:
    columns = ", ".join(f"c{n}" for n in range(900))
    pair.run(
        f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns})", "INSERT INTO wide (id) VALUES (1), (2)"
    )
    pair.back_up()
    pair.run("UPDATE wide SET c899 = 1 WHERE id = 2")
    assert pair.differs("wide") == (0, 1, 0)


def test_a_definition_in_another_encoding_than_it_says_hides_no_table(pair: Pair) -> None:
    pair.run("CREATE TABLE prices (id INTEGER PRIMARY KEY, place DEFAULT 'caf#')", "CREATE TABLE orders (v)")
    with closing(sqlite3.connect(pair.live)) as live:
        live.execute("PRAGMA writable_schema = ON")
        latin = "CAST(replace(CAST(sql AS BLOB), CAST('#' AS BLOB), x'e9') AS TEXT)"
        live.execute(f"UPDATE sqlite_schema SET sql = {latin} WHERE name = 'prices'")
        live.commit()
    pair.back_up()
    pair.run("INSERT INTO orders VALUES (1)")
    assert pair.differs("orders") == (1, 0, 0)
    assert pair.differs("prices") == (0, 0, 0)


# What cannot be compared


@pytest.mark.parametrize(
    ("made", "since", "why"),
    [
        (
            [
                "CREATE VIRTUAL TABLE t USING fts5 (w)",
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE t USING vec0 (w)' WHERE name = 't'",
            ],
            [],
            "no such module: vec0",
        ),
        (
            ["CREATE VIRTUAL TABLE t USING fts5 (w, content = '')", "INSERT INTO t VALUES ('a')"],
            ["INSERT INTO t VALUES ('b')"],
            "gives no row back",
        ),
        *(
            (
                [f"CREATE VIRTUAL TABLE t USING fts5 (w, content = {empty})", "INSERT INTO t VALUES ('a')"],
                ["INSERT INTO t VALUES ('b')"],
                "gives no row back",
            )
            for empty in ('""', "``", "[]", "")
        ),
    ],
    ids=[
        "an unknown module",
        "an index without content",
        *(
            f"an index without content, written {how}"
            for how in ("in quotes", "in ticks", "in brackets", "not")
        ),
    ],
)
def test_what_cannot_be_read_makes_only_its_own_table_unknown(
    pair: Pair, made: Sequence[str], since: Sequence[str], why: str
) -> None:
    pair.run("CREATE TABLE orders (id INTEGER PRIMARY KEY)", *made)
    pair.back_up()
    pair.run(*since, "INSERT INTO orders VALUES (1)")
    assert why in pair.why_not("t")
    assert pair.differs("orders") == (1, 0, 0)


def test_a_key_of_a_collation_that_only_the_application_has_is_compared_by_bytes(pair: Pair) -> None:
    pair.run("CREATE TABLE t (k TEXT COLLATE icu PRIMARY KEY, v)", "INSERT INTO t VALUES ('a', 1), ('b', 2)")
    pair.back_up()
    pair.run("UPDATE t SET v = 3 WHERE v = 2")
    assert pair.differs("t") == (1, 0, 1)


@pytest.mark.parametrize(
    ("made", "since", "differs"),
    [
        (
            [],
            ["CREATE TABLE t (k TEXT COLLATE icu PRIMARY KEY, v)", "INSERT INTO t VALUES ('a', 1)"],
            (1, 0, 0),
        ),
        (
            [
                "CREATE TABLE t (k TEXT COLLATE icu PRIMARY KEY, v) WITHOUT ROWID",
                "INSERT INTO t VALUES ('a', 1), ('b', 2)",
            ],
            ["UPDATE t SET v = 3 WHERE v = 2"],
            (1, 0, 1),
        ),
        (
            [
                "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT COLLATE icu)",
                "CREATE INDEX i ON t (v)",
                "INSERT INTO t VALUES (1, 'a')",
            ],
            ["UPDATE t SET v = 'b'"],
            (0, 1, 0),
        ),
    ],
    ids=["a table that is new", "a key that is the table", "an index"],
)
def test_without_a_collation_that_only_the_application_has_bytes_are_compared_and_it_is_named(
    pair: Pair, made: Sequence[str], since: Sequence[str], differs: tuple[int, int, int]
) -> None:
    pair.run("CREATE TABLE orders (id INTEGER PRIMARY KEY)", *made)
    pair.back_up()
    pair.run(*since)
    found = {one.table: one for one in pair.compared()}
    assert found["t"] == Difference("t", *differs, without=("icu",))
    assert found["orders"] == Difference("orders", 0, 0, 0)


def test_columns_that_only_the_application_can_compute_do_not_hinder(pair: Pair) -> None:
    pair.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w AS (own(v)))", "CREATE INDEX i ON t (own(v))")
    pair.run("INSERT INTO t (id, v) VALUES (1, 1)")
    pair.back_up()
    pair.run("UPDATE t SET v = 2")
    assert pair.differs("t") == (0, 1, 0)


def test_a_damaged_table_makes_only_itself_unknown(pair: Pair) -> None:
    pair.run("CREATE TABLE orders (id INTEGER PRIMARY KEY, v)", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    pair.run("INSERT INTO orders VALUES (1, 1)", "INSERT INTO t VALUES (1, 1)")
    pair.back_up()
    with closing(sqlite3.connect(pair.live)) as live:
        (page,) = live.execute("SELECT rootpage FROM sqlite_schema WHERE name = 't'").fetchone()
    with open(pair.live, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x07" * 4096)
    assert "malformed" in pair.why_not("t")
    assert pair.differs("orders") == (0, 0, 0)


def test_out_of_time_what_was_counted_stays_and_the_rest_is_unknown(pair: Pair) -> None:
    pair.run("CREATE TABLE small (id INTEGER PRIMARY KEY)", "CREATE TABLE large (id INTEGER PRIMARY KEY)")
    pair.run(
        "INSERT INTO large WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)"
        " SELECT i FROM n"
    )
    pair.back_up()
    pair.run("INSERT INTO small VALUES (1)")
    assert pair.compared("small", "large", seconds=-1.0) == (
        Difference("small", 1, 0, 0),
        NotCompared("large", "not finished after -1 s", late=True),
    )


# Against plain Python

VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.sampled_from([0, 1, 2, 1.0, 2.5, "a", "A", "1", "", b"a", b""]),
)
KEYS: Mapping[str, tuple[str, bool]] = {  # to the key's place in the definition, and whether it may be NULL
    "integer": ("id INTEGER PRIMARY KEY", False),
    "any": ("id PRIMARY KEY NOT NULL", False),
    "text, small letters are the same": ("id TEXT COLLATE NOCASE PRIMARY KEY", True),
    "may be NULL": ("id PRIMARY KEY", True),
    "none": ("id", True),
}
DECLARED = ("", "TEXT", "INTEGER", "REAL COLLATE NOCASE", "BLOB", "NUMERIC")


@st.composite
def changed_tables(draw: st.DrawFn) -> tuple[str, str, list[Row], list[Row]]:
    """The key's kind, the columns' definition, the rows before, and the rows after."""
    kind = draw(st.sampled_from(sorted(KEYS)))
    columns = draw(st.lists(st.sampled_from(DECLARED), min_size=1, max_size=3))
    keys = st.integers(0, 9) if kind == "integer" else VALUES if KEYS[kind][1] else VALUES.filter(_is_given)
    rows = st.lists(st.tuples(keys, *[VALUES] * len(columns)), max_size=8)
    before = draw(rows)
    kept = draw(st.lists(st.sampled_from(before), max_size=8)) if before else []
    definition = ", ".join((KEYS[kind][0], *(f"c{n} {declared}" for n, declared in enumerate(columns))))
    return kind, definition, before, [*kept, *draw(rows)]


def _is_given(value: Value) -> bool:
    return value is not None


@given(table=changed_tables())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_three_figures_are_what_plain_python_counts(
    tmp_path: Path, table: tuple[str, str, list[Row], list[Row]]
) -> None:
    kind, definition, before, after = table
    pair = Pair(tmp_path)
    old, new = (_fill(path, definition, rows) for path, rows in ((pair.backup, before), (pair.live, after)))
    count = _by_key if kind in {"integer", "any"} or _all_keyed(kind, [*old, *new]) else _as_heaps
    assert pair.differs("t") == count(old, new)


def _all_keyed(kind: str, rows: Sequence[Row]) -> bool:
    return kind == "may be NULL" and all(row[0] is not None for row in rows)


def _fill(path: Path, definition: str, rows: Sequence[Row]) -> list[Row]:
    """Returns the rows as SQLite has stored them; of those with one key the first."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(f"CREATE TABLE t ({definition})")
        for row in rows:
            database.execute(f"INSERT OR IGNORE INTO t VALUES ({', '.join('?' * len(row))})", row)
        return database.execute("SELECT * FROM t").fetchall()


def _exact(row: Row) -> tuple[object, ...]:
    """1 is not 1.0."""
    return tuple((type(value), value) for value in row)


def _by_key(old: Sequence[Row], new: Sequence[Row]) -> tuple[int, int, int]:
    was, now = ({row[0]: _exact(row) for row in rows} for rows in (old, new))
    changed = sum(was[key] != now[key] for key in was.keys() & now.keys())
    return len(now.keys() - was.keys()), changed, len(was.keys() - now.keys())


def _as_heaps(old: Sequence[Row], new: Sequence[Row]) -> tuple[int, int, int]:
    was, now = (Counter(map(_exact, rows)) for rows in (old, new))
    return (now - was).total(), 0, (was - now).total()
