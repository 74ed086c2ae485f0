"""Both kinds of databases, empty at first: where they are, what they hold, what they cost."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

from benchmarks.process import cpu_seconds, cpu_seconds_of_ended_children
from storage.database import open_database, sqlite_url, upgrade
from tests.postgres import PostgresServer, postgres_server

FLUSHED = "PRAGMA synchronous=FULL"


@dataclass(frozen=True, slots=True)
class Place:
    """One database, and a way to look into it beside those who use it."""

    url: str
    looking: Engine
    server: PostgresServer | None  # None: it is a file

    def read(self, query: str, **values: object) -> list[Any]:
        with self.looking.connect() as connection:
            return list(connection.execute(text(query), values))

    def cpu(self) -> float:
        """Seconds that the server has used since its start; a file uses its users' time."""
        if self.server is None or self.server.process is None:
            return 0.0
        first = self.server.process.pid
        children = map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())
        return cpu_seconds_of_ended_children(first) + sum(map(cpu_seconds, (first, *children)))

    def commits(self, count: int) -> float:
        """Seconds for so many durable transactions of one row each, one after another, by a bare loop."""
        raw = self.looking.raw_connection()
        cursor = raw.cursor()
        if self.server is None:
            cursor.execute(FLUSHED)
        cursor.execute("create table bare (said text)")
        raw.commit()
        began = time.perf_counter()
        for _ in range(count):
            cursor.execute("insert into bare (said) values ('as bare as can be')")
            raw.commit()
        took = time.perf_counter() - began
        cursor.execute("drop table bare")
        raw.commit()
        raw.close()
        return took


@contextlib.asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Place]:
    path = folder / "state" / "rollback.db"
    path.parent.mkdir(parents=True)
    async with _made(sqlite_url(path), f"sqlite:///{path}", None) as place:
        yield place


@contextlib.asynccontextmanager
async def postgresql(folder: Path) -> AsyncIterator[Place]:
    with postgres_server() as server:
        url = server.url_for("postgres")
        async with _made(url, url, server) as place:
            yield place


@contextlib.asynccontextmanager
async def _made(url: str, to_look: str, server: PostgresServer | None) -> AsyncIterator[Place]:
    database = open_database(url)
    await upgrade(database)
    await database.close()
    looking = create_engine(to_look)
    try:
        yield Place(url, looking, server)
    finally:
        looking.dispose()


Kind = Callable[[Path], contextlib.AbstractAsyncContextManager[Place]]
KINDS: Mapping[str, Kind] = {"SQLite": sqlite, "PostgreSQL": postgresql}
