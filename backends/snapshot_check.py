"""Says whether a copy still holds what the manifest of its snapshot says. It needs Python and nothing else.

    python snapshot_check.py manifest.json COPY

COPY is an SQLite file, or a folder. It ends with 0 where everything is as the manifest says, with 1 and the
first thing that differs, and with 2 where it cannot tell. Nothing is written.

The hash of a row is SHA-256 over its columns in order: `n` for NULL, `i` and the decimal digits for a whole
number, `f` and 8 bytes (IEEE 754, big-endian) for another one, `t` or `b`, the length in bytes, `:` and the
bytes for a text in UTF-8 or a blob. The hash of a table is the sum of those of its rows, as numbers modulo
2**256, so the order of rows has no part in it. That of a folder is the same sum over its files: SHA-256 over
the path, a zero byte, and the SHA-256 of what a file holds, or of where a link points.
"""

from __future__ import annotations  # it runs on older Pythons, too

import hashlib
import json
import os
import sqlite3
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
    """Reads every file below a folder, and follows no link. Raises OSError."""
    summed, root = Summed(), os.fsencode(folder)
    for path in _below(root):
        relative = os.path.relpath(path, root)
        if os.path.islink(path):
            content = hashlib.sha256(os.readlink(path)).digest()
        else:
            content = bytes.fromhex(sha256_of(Path(os.fsdecode(path))))
        summed.add(hashlib.sha256(relative + b"\0" + content).digest())
    return summed


def _below(folder: bytes) -> Iterable[bytes]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        else:
            yield entry.path


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
    """Returns the first thing that is not as the manifest says; None: all of it is. Raises OSError."""
    if copy.is_dir():
        return _folder_differs(manifest, copy)
    stated, found = manifest["source"]["sha256"], sha256_of(copy)
    if stated and found != stated:
        return f"{copy.name} is another file: its SHA-256 is {found}, not {stated}"
    return _tables_differ(manifest["contents"], copy)


def _folder_differs(manifest: dict[str, Any], copy: Path) -> str | None:
    found = files_of(copy)
    stated = (manifest["contents"] or {"tables": {}})["tables"].get(FILES)
    if stated is None:
        return "the manifest tells of no files"
    return _differs(FILES, stated, found)


def _differs(name: str, stated: dict[str, Any], found: Summed) -> str | None:
    if found.count != stated["rows"]:
        return f"{name}: {found.count} rows, not {stated['rows']}"
    if found.hexdigest != stated["sha256"]:
        return f"{name}: other rows, {found.hexdigest} and not {stated['sha256']}"
    return None


def _tables_differ(contents: dict[str, Any] | None, copy: Path) -> str | None:
    if contents is None:
        return None
    with closing(sqlite3.connect(f"file:{quote(str(copy.absolute()))}?immutable=1", uri=True)) as database:
        if (schema := schema_sha256(database)) != contents["schema_sha256"]:
            return f"the schema is another one: {schema}, not {contents['schema_sha256']}"
        for name, stated in sorted(contents["tables"].items()):
            if differs := _differs(name, stated, rows_of(database, name)):
                return differs
    return None


def main(arguments: Sequence[str]) -> tuple[int, str]:
    if len(arguments) != 2:
        return 2, "Give the manifest and the copy: python snapshot_check.py manifest.json COPY"
    try:
        manifest = json.loads(Path(arguments[0]).read_bytes())
        differs = difference(manifest, Path(arguments[1]))
    except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as problem:
        return 2, f"It cannot be told: {type(problem).__name__}: {problem}"
    if differs is not None:
        return 1, f"NOT as the manifest says: {differs}"
    return 0, f"As the manifest of {manifest['run']} says, SHA-256 of it {sha256_of(Path(arguments[0]))}"


if __name__ == "__main__":
    code, words = main(sys.argv[1:])
    print(words, file=sys.stderr if code else sys.stdout)
    sys.exit(code)
