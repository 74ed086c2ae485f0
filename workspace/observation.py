"""What the three targets show to whoever looks from outside: by HTTP, SQL and git. The bot is not asked."""

import http.client
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from workspace.targets.broken_items import counts
from workspace.world import BACKUP_NAME, DemoWorld, git, items_now, newest_backup, stamp

COUNTS = "SELECT count(*), coalesce(sum(total < 0), 0), coalesce(sum(created_at > ?), 0) FROM orders"
STOREFRONT_ANSWERS_WITHIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Storefront:
    url: str
    status: int | None  # of GET /; None: no answer
    release: str
    maintenance: bool


@dataclass(frozen=True, slots=True)
class Orders:
    total: int | None  # None: not readable right now, as while a restore writes
    bad_rows: int | None
    since_backup: int | None  # orders that going back would remove
    maintenance: bool
    newest_backup: str


@dataclass(frozen=True, slots=True)
class Catalog:
    version: str
    items: int
    broken_items: int


@dataclass(frozen=True, slots=True)
class Observation:
    """The field names are the page's."""

    storefront: Storefront
    orders: Orders
    catalog: Catalog


def look(world: DemoWorld, shop: str) -> Observation:
    """`shop`: the storefront's address."""
    return Observation(look_at_storefront(world, shop), look_at_orders(world), look_at_catalog(world))


def look_at_storefront(world: DemoWorld, shop: str) -> Storefront:
    release = (world.storefront / "current").resolve().name
    return Storefront(shop, status(shop), release, world.storefront_flag.exists())


def status(url: str) -> int | None:
    """Returns what a GET answers; None: nothing."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=STOREFRONT_ANSWERS_WITHIN_SECONDS)
    try:
        connection.request("GET", place.path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def look_at_orders(world: DemoWorld) -> Orders:
    at = datetime.strptime(newest_backup(world), BACKUP_NAME).replace(tzinfo=UTC)
    try:
        with closing(sqlite3.connect(f"{world.database.as_uri()}?mode=ro", uri=True, timeout=0)) as database:
            total, bad, since = database.execute(COUNTS, (stamp(at),)).fetchone()
    except sqlite3.OperationalError:
        total = bad = since = None
    return Orders(total, bad, since, world.orders_flag.exists(), f"{at:%H:%M} UTC")


def told_apart(live: Path, backup: Path, table: str) -> tuple[int, int, int]:
    """Counts by plain SQL what going from one file to the other does: new, changed and returning rows."""
    with closing(sqlite3.connect(f"{live.as_uri()}?mode=ro", uri=True)) as both:
        both.execute("ATTACH ? AS backup", (f"{backup.as_uri()}?mode=ro",))
        now, then = (_columns(both, database, table) for database in ("main", "backup"))
        unlike = [f"a.{name} IS NOT b.{name}" for name in now if name in then]
        unlike += [f"a.{name} IS NOT {default}" for name, default in now.items() if name not in then]
        pairs = f"main.{table} a JOIN backup.{table} b USING (id)"
        new, changed, returning = (
            int(both.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])  # noqa: S608
            for rows in (
                f"main.{table} WHERE id NOT IN (SELECT id FROM backup.{table})",  # noqa: S608
                f"{pairs} WHERE {' OR '.join(unlike)}",
                f"backup.{table} WHERE id NOT IN (SELECT id FROM main.{table})",  # noqa: S608
            )
        )
    return new, changed, returning


def _columns(both: sqlite3.Connection, database: str, table: str) -> dict[str, str]:
    """Each with what a row has that nobody gave a value."""
    rows = both.execute(f"PRAGMA {database}.table_info({table})")
    return {name: default or "NULL" for _, name, _, _, default, _ in rows}


def look_at_catalog(world: DemoWorld) -> Catalog:
    version = git(world, "log", "-1", "--format=%h %s", "main").strip()
    return Catalog(version, *counts(items_now(world)))
