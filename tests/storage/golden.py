"""Databases as earlier versions of this program have left them. `golden/README.md` tells about the files."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, create_engine, select, text

from storage import database

FILES = Path(__file__).parent / "golden"
MIGRATIONS = Path(database.__file__).parent / "migrations"
CONFIGURATION = FILES / "rollback.yaml"  # the plans of 0003 and later were made with it
NEWEST = "0009-schedules"  # what `golden_writer` wrote last, without the endings of its files
EVERY = tuple(sorted(path.stem for path in FILES.glob("*.jsonl")))
Rows = dict[str, list[dict[str, Any]]]


def revision_of(name: str) -> str:
    """Returns the schema revision that the file's rows are for."""
    return name.partition("-")[0]


def was_put_back(name: str) -> bool:
    """Returns whether its database was put back from a backup, and nobody has confirmed that yet."""
    return name.endswith("-put-back")


def file(name: str, folder: Path = FILES) -> Path:
    return folder / f"{name}.jsonl"


def lines(name: str, folder: Path = FILES) -> list[dict[str, Any]]:
    """Returns one `{"table": …, "row": …}` after another, in the order in which they can be stored."""
    with file(name, folder).open(encoding="utf-8") as held:
        return [json.loads(line) for line in held]


def written(name: str, folder: Path = FILES) -> Rows:
    """Returns the rows by table. A column that is null in SQL is not in its row."""
    found: Rows = {}
    for line in lines(name, folder):
        found.setdefault(line["table"], []).append(line["row"])
    return found


def write(name: str, url: str) -> None:
    """Makes the tables of the file's revision and stores its rows as they are. `url`: no async driver."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, revision_of(name))
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for (table, _), alike in groupby(lines(name), lambda line: (line["table"], sorted(line["row"]))):
            connection.execute(tables.tables[table].insert(), [line["row"] for line in alike])
        _count_looks_on(connection)
    engine.dispose()


def dumped(url: str) -> Iterator[str]:
    """Yields the lines of a golden file: every row of a database. `url`: no async driver."""
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue  # the name of the file says it
            for row in connection.execute(select(table)).mappings():
                held = {column: value for column, value in row.items() if value is not None}
                yield json.dumps(
                    {"table": table.name, "row": held}, ensure_ascii=False, separators=(",", ":")
                )
    engine.dispose()


def _count_looks_on(connection: Connection) -> None:
    """PostgreSQL gives out the next id from a sequence, which does not see ids that came with their rows."""
    if connection.dialect.name == "postgresql":
        newest = "select setval(pg_get_serial_sequence('looks', 'id'), max(id)) from looks having max(id) > 0"
        connection.execute(text(newest))
