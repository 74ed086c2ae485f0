"""Says whether a copy still holds what the manifest of its snapshot says. It needs Python and nothing else.

    python snapshot_check.py manifest.json COPY

COPY is an SQLite file, or a folder. It ends with 0 where everything is as the manifest says, with 1 and the
first thing that differs, and with 2 where it cannot tell. Nothing is written.

The hash of a row is SHA-256 over its columns in order: `n` for NULL, `i` and the decimal digits for a whole
number, `f` and 8 bytes (IEEE 754, big-endian) for another one, `t` or `b`, the length in bytes, `:` and the
bytes for a text in UTF-8 or a blob. The hash of a table is the sum of those of its rows, as numbers modulo
2**256, so the order of rows has no part in it. That of a folder is the same sum over what is in it: SHA-256
over the path, a zero byte, one letter, and the SHA-256 of what it holds. The letter is `f` for a file, `x`
for one that may be executed, `l` for a link, which holds where it points, `d` for a folder that holds
nothing, and `o` for anything else, such as a pipe, which is never opened.
"""

from __future__ import annotations  # it runs on older Pythons, too

import hashlib
import json
import os
import sqlite3
import stat
import struct
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AT_ONCE_BYTES = 1 << 20
FILES = "files"  # the one table of a folder
LEFT_BY_WRITERS = ("-wal", "-journal")  # whoever opens the file of this name reads them into it
TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
MODULUS = 1 << 256


class Summed:
    """The hash of many things in any order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, digest: bytes) -> None:
        self.count += 1
        self._sum = (self._sum + int.from_bytes(digest, "big")) % MODULUS

    @property
    def hexdigest(self) -> str:
        return f"{self._sum:064x}"


class Untold(Exception):
    """The manifest does not say enough to compare anything with it."""


class Text(bytes):
    """A text as SQLite stores it, which may be no valid UTF-8."""


def rows_of(connection: sqlite3.Connection, table: str) -> Summed:
    """Reads every row of a table. Raises sqlite3.Error."""
    known, connection.text_factory = connection.text_factory, Text
    summed, name = Summed(), table.replace('"', '""')
    try:
        for row in connection.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 - a name is no parameter
            summed.add(hashlib.sha256(b"".join(map(_encoded, row))).digest())
    finally:
        connection.text_factory = known
    return summed


def _encoded(value: object) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, int):
        return b"i%d" % value
    if isinstance(value, float):
        return b"f" + struct.pack(">d", value)
    assert isinstance(value, bytes)  # SQLite has nothing else
    return b"%s%d:%s" % (b"t" if isinstance(value, Text) else b"b", len(value), value)


def files_of(folder: Path) -> Summed:
    """Reads everything below a folder, and follows no link. Raises OSError."""
    summed, root = Summed(), os.fsencode(folder)
    for path in _below(root):
        relative = os.path.relpath(path, root)
        summed.add(hashlib.sha256(relative + b"\0" + _held(path)).digest())
    return summed


def _held(path: bytes) -> bytes:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return b"l" + hashlib.sha256(os.readlink(path)).digest()
    if stat.S_ISREG(mode):
        letter = b"x" if mode & stat.S_IXUSR else b"f"
        return letter + bytes.fromhex(sha256_of(Path(os.fsdecode(path))))
    return (b"d" if stat.S_ISDIR(mode) else b"o") + hashlib.sha256().digest()


def _below(folder: bytes) -> Iterable[bytes]:
    for entry in os.scandir(folder):
        below = _below(entry.path) if entry.is_dir(follow_symlinks=False) else ()
        there = iter(below)
        first = next(there, entry.path)
        yield first
        yield from there


def sha256_of(file: Path) -> str:
    read = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(AT_ONCE_BYTES):
            read.update(block)
    return read.hexdigest()


def schema_sha256(connection: sqlite3.Connection) -> str:
    """Returns the hash over every statement that has created something, SQLite's own left out."""
    rows = connection.execute(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    created = sorted([kind, name, sql] for kind, name, sql in rows)
    return hashlib.sha256(_canonical(created)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# Comparing ---------------------------------------------------------------------------------------


def difference(manifest: dict[str, Any], copy: Path) -> str | None:
    """Returns the first thing that is not as the manifest says; None: all of it is.

    Raises Untold where the manifest says too little, OSError where the copy cannot be read, and what Python
    raises for a manifest that is none.
    """
    stated, contents = manifest["source"]["sha256"], manifest["contents"]
    if copy.is_dir():
        if contents is None:
            raise Untold("the manifest does not say what the folder holds")
        return _differs(FILES, contents["tables"][FILES], files_of(copy))
    if not stated and contents is None:
        raise Untold("the manifest does not say what the copy holds")
    if left := left_beside(copy):
        return f"{left.name} lies beside it, and whoever opens the copy reads that, too"
    found = sha256_of(copy)
    if stated and found != stated:
        return f"{copy.name} is another file: its SHA-256 is {found}, not {stated}"
    return _tables_differ(contents, copy)


def left_beside(copy: Path) -> Path | None:
    """Returns what SQLite would read into a database beside its file; None: nothing."""
    beside = (copy.with_name(copy.name + ending) for ending in LEFT_BY_WRITERS)
    return next((file for file in beside if file.is_file() and file.stat().st_size), None)


def _differs(name: str, stated: dict[str, Any], found: Summed) -> str | None:
    if found.count != stated["rows"]:
        return f"{name}: {found.count} rows, not {stated['rows']}"
    if found.hexdigest != stated["sha256"]:
        return f"{name}: other rows, {found.hexdigest} and not {stated['sha256']}"
    return None


def _tables_differ(contents: dict[str, Any] | None, copy: Path) -> str | None:
    if contents is None:
        return None
    tables, schema = contents["tables"].items(), contents["schema_sha256"]
    with closing(sqlite3.connect(f"file:{quote(str(copy.absolute()))}?immutable=1", uri=True)) as database:
        if (found := schema_sha256(database)) != schema:
            return f"the schema is another one: {found}, not {schema}"
        if missed := sorted(_tables(database) - contents["tables"].keys()):
            return f"the manifest does not tell of {missed[0]}"
        for name, stated in sorted(tables):
            if differs := _differs(name, stated, rows_of(database, name)):
                return differs
    return None


def _tables(database: sqlite3.Connection) -> set[str]:
    """Returns those that hold rows of their own: those behind a virtual table are told by that one."""
    created = dict(database.execute(TABLES))
    virtual = tuple(f"{name}_" for name, sql in created.items() if sql.upper().startswith("CREATE VIRTUAL"))
    return {name for name in created if not name.startswith(virtual)}


def main(arguments: Sequence[str]) -> tuple[int, str]:
    if len(arguments) != 2:
        return 2, "Give the manifest and the copy: python snapshot_check.py manifest.json COPY"
    try:
        manifest = json.loads(Path(arguments[0]).read_bytes())
        run, differs = manifest["run"], difference(manifest, Path(arguments[1]))
    except Untold as problem:
        return 2, f"It cannot be told: {problem}"
    except (OSError, sqlite3.Error) as problem:
        return 2, f"It cannot be told: {type(problem).__name__}: {problem}"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
        return 2, f"{arguments[0]} is no manifest: {type(problem).__name__}: {problem}"
    if differs is not None:
        return 1, f"NOT as the manifest says: {differs}"
    return 0, f"As the manifest of {run} says, SHA-256 of it {sha256_of(Path(arguments[0]))}"


if __name__ == "__main__":
    code, words = main(sys.argv[1:])
    print(words, file=sys.stderr if code else sys.stdout)
    sys.exit(code)
