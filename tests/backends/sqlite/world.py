"""A shop's orders in a real SQLite file with a connected writer, hourly backups, and a bad migration."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from backends.conformance.harness import SHORT_SECONDS, Moment, Plight
from backends.sqlite.executor import Sqlite
from backends.worker_key import WorkerKey
from tests.backends.away import moved_away
from tests.backends.releases.world import DyingMarkers


class SqliteWorld:
    """In WAL mode."""

    journal = "wal"
    plights = frozenset({Plight.AWAY, Plight.BUSY})

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "orders.db"
        self.backups = root / "backups"
        self.key = WorkerKey.at(root.with_name(f"{root.name}.key"))
        self.app: sqlite3.Connection | None = None

    @classmethod
    def make(cls, root: Path) -> Self:
        world = cls(root)
        world.backups.mkdir(parents=True)
        world.app = sqlite3.connect(world.database, isolation_level=None, check_same_thread=False)
        world.app.execute(f"PRAGMA journal_mode = {cls.journal}")
        world.app.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER NOT NULL, note TEXT)")
        world.app.execute("CREATE TABLE refunds (code TEXT PRIMARY KEY, amount INTEGER) WITHOUT ROWID")
        for hour in (8, 9, 10):
            world.sell(200)
            world.back_up(f"20261122T{hour:02d}0000Z")
        world.sell(7)
        world.migrate_badly()
        (root / "first").write_text(str(world.version()))
        return world

    def sell(self, orders: int) -> None:
        assert self.app is not None
        rows = [(100 + n, "x" * 300) for n in range(orders)]
        self.app.execute("BEGIN")
        self.app.executemany("INSERT INTO orders (total, note) VALUES (?, ?)", rows)
        self.app.execute("COMMIT")

    def back_up(self, name: str) -> None:
        assert self.app is not None
        with closing(sqlite3.connect(self.backups / f"{name}.db")) as backup:
            self.app.backup(backup)
            backup.execute("PRAGMA journal_mode = DELETE")

    def migrate_badly(self) -> None:
        assert self.app is not None
        self.app.execute("ALTER TABLE orders ADD COLUMN discount INTEGER DEFAULT 0")
        self.app.execute("UPDATE orders SET total = -total WHERE id <= 41")

    def executor(self, dies: Moment | None = None) -> Sqlite:
        if dies is None:
            return Sqlite(self.database, self.backups, self.key, ("orders", "refunds"))
        return DyingSqlite(self, dies)

    def live(self) -> str:
        return content(self.database)

    def holds(self, point: str) -> str:
        return content(self.backups / f"{point}.db")

    def effects(self) -> int:
        """A restore through the backup API adds one to SQLite's own counter of schema changes."""
        return self.version() - int((self.root / "first").read_text())

    def drifts(self) -> None:
        self._uncounted("ALTER TABLE orders ADD COLUMN currency TEXT")

    def loses(self, point: str) -> None:
        (self.backups / f"{point}.db").unlink()

    def lies(self) -> None:
        """An earlier backup is copied over the restored state: the same schema, other rows."""
        other = sqlite3.connect(self.backups / "20261122T090000Z.db")
        with closing(other), closing(sqlite3.connect(self.database)) as live:
            other.backup(live)

    @contextmanager
    def troubled(self, plight: Plight) -> Iterator[Sqlite]:
        impatient = Sqlite(self.database, self.backups, self.key, wait=SHORT_SECONDS)
        if plight is Plight.AWAY:
            with moved_away(self.root):
                yield impatient
        else:
            with closing(sqlite3.connect(self.database, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                yield impatient

    def slow(self) -> Sqlite:
        return Sqlite(self.database, self.backups, self.key, pages_per_second=1)

    def replaced(self) -> None:
        self.close()
        copy = self.root / "copy.db"
        with closing(sqlite3.connect(self.database)) as live:
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.database, copy)
        copy.rename(self.database)

    def version(self) -> int:
        with closing(sqlite3.connect(self.database)) as live:
            return int(live.execute("PRAGMA schema_version").fetchone()[0])

    def _uncounted(self, statement: str) -> None:
        before = self.version()
        with closing(sqlite3.connect(self.database)) as live:
            live.execute(statement)
        counted = self.root / "first"
        counted.write_text(str(int(counted.read_text()) + self.version() - before))

    def close(self) -> None:
        if self.app is not None:
            self.app.close()


class SqliteJournalWorld(SqliteWorld):
    """With a rollback journal: readers and the restore keep each other out."""

    journal = "delete"


class DyingSqlite(Sqlite):
    def __init__(self, world: SqliteWorld, dies: Moment) -> None:
        super().__init__(world.database, world.backups, world.key, ("orders", "refunds"))
        self._markers = DyingMarkers(world.backups, world.key, dies)


def content(database: Path) -> str:
    """A hash of every statement that would build it again, as they stand at one moment."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


EXECUTOR_WORLDS = (SqliteWorld, SqliteJournalWorld)
