"""The script that comes with a manifest: what it counts, and what it says differs."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backends import snapshot_check
from backends.snapshot_check import FILES, difference, files_of, rows_of, schema_sha256, sha256_of

ODD = (None, 0, -1, 2**62, 0.5, -0.0, "", "1", "ä", "a\x00b", b"", b"1", b"\xff")


def database(path: Path, rows: Sequence[Any] = ODD) -> Path:
    with closing(sqlite3.connect(path)) as made:
        made.execute("create table t (id integer primary key, value)")
        made.executemany("insert into t (value) values (?)", [[value] for value in rows])
        made.execute("create table empty (x)")
        made.commit()
    return path


def hash_of(path: Path, table: str = "t") -> str:
    with closing(sqlite3.connect(path)) as opened:
        return rows_of(opened, table).hexdigest


def described(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as opened:
        read = {name: rows_of(opened, name) for name in ("t", "empty")}
        tables = {name: {"rows": rows.count, "sha256": rows.hexdigest} for name, rows in read.items()}
        contents = {"tables": tables, "schema_sha256": schema_sha256(opened)}
    return {"run": "RB-60", "source": {"sha256": sha256_of(path)}, "contents": contents}


def of_tables_alone(path: Path) -> dict[str, Any]:
    """Where the file itself may be another one, as after a VACUUM."""
    return {**described(path), "source": {"sha256": None}}


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as opened:
        opened.execute(statement)
        opened.commit()


def test_every_value_counts_for_itself(tmp_path: Path) -> None:
    hashes = {hash_of(database(tmp_path / f"{n}.db", [value])) for n, value in enumerate(ODD)}
    assert len(hashes) == len(ODD)


def test_the_order_of_rows_has_no_part_in_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    for path, rows in ((one, "(1), (2), (2)"), (other, "(2), (1), (2)")):
        with closing(sqlite3.connect(path)) as made:
            made.execute("create table t (x)")
            made.execute(f"insert into t values {rows}")
            made.commit()
    assert hash_of(one) == hash_of(other)
    change(other, "delete from t where rowid = 1")
    assert hash_of(one) != hash_of(other)


def test_a_text_that_is_no_text_is_read_as_it_stands(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db", [])
    before = hash_of(path)
    change(path, "insert into t (value) values (cast(x'ff' as text))")
    assert hash_of(path) != before


def test_what_is_as_it_was_made_differs_in_nothing(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db")
    assert difference(described(path), path) is None


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("update t set value = 7 where id = 1", "t: other rows"),
        ("delete from t where id = 1", "t: 12 rows, not 13"),
        ("insert into empty values (null)", "empty: 1 rows, not 0"),
        ("create index i on t (value)", "the schema is another one"),
        ("drop table empty", "the schema is another one"),
    ],
)
def test_what_was_changed_is_named(tmp_path: Path, statement: str, words: str) -> None:
    path = database(tmp_path / "one.db")
    manifest = of_tables_alone(path)
    change(path, statement)
    assert words in str(difference(manifest, path))


def test_one_byte_is_enough(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db")
    manifest = described(path)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xaa")
    assert "another file" in str(difference(manifest, path))


def test_what_was_written_beside_the_copy_is_no_part_of_it_and_is_named(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db")
    manifest = described(path)
    (tmp_path / "one.db-wal").touch()  # whoever has opened it leaves one that holds nothing
    assert difference(manifest, path) is None
    (tmp_path / "one.db-wal").write_bytes(b"\x37")
    assert "one.db-wal lies beside it" in str(difference(manifest, path))


def test_a_table_that_the_manifest_does_not_tell_of_is_a_difference(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db")
    manifest = of_tables_alone(path)
    del manifest["contents"]["tables"]["empty"]
    assert "does not tell of empty" in str(difference(manifest, path))


def test_what_stands_behind_a_virtual_table_is_told_by_that_one(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db")
    change(path, "create virtual table words using fts5(x)")
    with closing(sqlite3.connect(path)) as opened:
        words = rows_of(opened, "words")
    manifest = of_tables_alone(path)
    manifest["contents"]["tables"]["words"] = {"rows": words.count, "sha256": words.hexdigest}
    assert difference(manifest, path) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_text("one")
    (folder / "deep" / "b").write_bytes(b"\x00")
    (folder / "link").symlink_to("a")
    return folder


def of_folder(folder: Path) -> dict[str, Any]:
    files = files_of(folder)
    tables = {FILES: {"rows": files.count, "sha256": files.hexdigest}}
    return {"run": "RB-60", "source": {"sha256": None}, "contents": {"tables": tables, "schema_sha256": None}}


def test_every_file_of_a_folder_counts_and_no_link_is_followed(folder: Path) -> None:
    assert files_of(folder).count == 3
    assert difference(of_folder(folder), folder) is None


@pytest.mark.parametrize("what", ["content", "name", "link", "one more", "mode", "empty folder", "pipe"])
def test_what_differs_in_a_folder_is_seen(folder: Path, what: str) -> None:
    manifest = of_folder(folder)
    match what:
        case "content":
            (folder / "a").write_text("two")
        case "name":
            (folder / "a").rename(folder / "c")
        case "link":
            (folder / "link").unlink()
            (folder / "link").symlink_to("deep/b")
        case "mode":
            (folder / "a").chmod(0o755)
        case "empty folder":
            (folder / "empty").mkdir()
        case "pipe":
            os.mkfifo(folder / "pipe")
        case _:
            (folder / "d").touch()
    assert difference(manifest, folder) is not None


def run(*arguments: str | Path) -> tuple[int, str]:
    script = [sys.executable, "-I", "-S", snapshot_check.__file__, *map(str, arguments)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_alone_it_needs_no_library_and_says_yes_no_or_that_it_cannot_tell(tmp_path: Path) -> None:
    path, manifest = database(tmp_path / "one.db"), tmp_path / "manifest.json"
    manifest.write_text(json.dumps(described(path)))
    assert run(manifest, path)[0] == 0
    change(path, "update t set value = 7 where id = 1")
    code, words = run(manifest, path)
    assert (code, words.startswith("NOT as the manifest says: one.db is another file")) == (1, True)
    manifest.write_text("{")
    assert run(manifest, path)[0] == 2
    assert run(manifest)[0] == 2
    assert run(manifest, tmp_path / "gone.db")[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        "[" * 200_000,
        "[]",
        json.dumps({"run": "RB-60"}),
        json.dumps(
            {"run": "RB-60", "source": {"sha256": None}, "contents": {"tables": [], "schema_sha256": ""}}
        ),
        json.dumps({"source": {"sha256": None}, "contents": None}),
        json.dumps({"run": "RB-60", "source": {"sha256": None}, "contents": None}),
    ],
    ids=["deep", "a list", "too little", "tables that are a list", "no run", "nothing to compare with"],
)
def test_where_the_manifest_says_nothing_it_cannot_tell(tmp_path: Path, words: str) -> None:
    path, manifest = database(tmp_path / "one.db"), tmp_path / "manifest.json"
    manifest.write_text(words)
    code, said = run(manifest, path)
    assert (code, "Traceback" in said) == (2, False)


def test_it_writes_nothing(tmp_path: Path) -> None:
    path = database(tmp_path / "one.db")
    manifest = described(path)
    for file in (path, tmp_path):
        file.chmod(0o555 if file is tmp_path else 0o444)
    try:
        assert difference(manifest, path) is None
        assert [file.name for file in tmp_path.iterdir()] == ["one.db"]
    finally:
        tmp_path.chmod(0o755)
