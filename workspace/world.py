"""The demo's world: three real targets in one folder, each broken as production breaks.

Builds them and breaks them again. Everything stays inside the folder. observation.py looks at them, stage.py
starts the programs beside them, and taking them back is the bot's work alone.
"""

import contextlib
import csv
import fcntl
import io
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.errors import UserError

MARKER = ".rollback-demo"  # a folder without it is somebody else's
SHOP_PAGES = Path(__file__).parent / "targets" / "shop"
PAUSE_BETWEEN_ORDERS_SECONDS = 1.2  # the past was built at the same pace, so the loss keeps its rate
BACKUP_NAME = "%Y%m%dT%H%M%SZ"
BACKUPS = (timedelta(minutes=66), timedelta(minutes=36), timedelta(minutes=6))
ORDERS, CUSTOMERS, ITEMS, BROKEN_ITEMS = 36_000, 900, 1_200, 310
REFUNDS_BEFORE_BACKUP, REFUNDS_SINCE = 32, 9

SCHEMA = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (41);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers,
                     total REAL NOT NULL, items TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE refunds (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders,
                      cents INTEGER NOT NULL, created_at TEXT NOT NULL);
"""
# The mistake: refunds are in cents, totals in euros.
MIGRATION_0042 = """
ALTER TABLE orders ADD COLUMN refunded REAL NOT NULL DEFAULT 0;
UPDATE orders SET refunded = (SELECT sum(cents) FROM refunds WHERE order_id = orders.id)
 WHERE id IN (SELECT order_id FROM refunds);
UPDATE orders SET total = total - refunded;
UPDATE schema_version SET version = 42;
"""
ORDER = "INSERT INTO orders (customer_id, total, items, created_at) VALUES (?, ?, ?, ?)"
REFUND = "INSERT INTO refunds (order_id, cents, created_at) VALUES (?, ?, ?)"
GIT = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


@dataclass(frozen=True, slots=True)
class DemoWorld:
    folder: Path

    @property
    def storefront(self) -> Path:
        return self.folder / "storefront"

    @property
    def storefront_flag(self) -> Path:
        """In maintenance while this file exists."""
        return self.storefront / "maintenance"

    @property
    def payments_flag(self) -> Path:
        """No release of the shop is healthy while this file exists: the payment provider does not answer."""
        return self.storefront / "payments-down"

    @property
    def orders(self) -> Path:
        return self.folder / "orders"

    @property
    def orders_flag(self) -> Path:
        return self.orders / "maintenance"

    @property
    def database(self) -> Path:
        return self.orders / "orders.db"

    @property
    def backups(self) -> Path:
        return self.orders / "backups"

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog" / "catalog.git"


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """The folder, emptied, ours alone while inside. Raises UserError for a folder that is not the demo's."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / MARKER
    if any(folder.iterdir()) and not marker.is_file():
        raise UserError(f"{folder} is not the demo's: nothing in it was touched. Choose an empty folder.")
    with marker.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another demo runs in {folder}: end it first, or choose another folder."
            ) from None
        empty(folder)
        yield folder


def empty(folder: Path) -> None:
    for inside in folder.iterdir():
        if inside.name == MARKER:
            continue
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside)
        else:
            inside.unlink()


def build(folder: Path, now: datetime) -> DemoWorld:
    """All three targets, already broken. The past that they show is relative to `now`."""
    world = DemoWorld(folder)
    _build_storefront(world, now)
    _build_orders(world, now)
    _build_catalog(world, now)
    return world


# The storefront: release folders and a link


def _build_storefront(world: DemoWorld, now: datetime) -> None:
    news = "Spring teas are here", "Free samples with every order", "New: the one-litre kettle"
    for number, banner in enumerate(news, start=39):
        _write_release(world, f"v{number}", now - timedelta(hours=(42 - number) * 26), banner, "delivery")
    deploy(world, "v42", now - timedelta(minutes=11))


def deploy(world: DemoWorld, release: str, at: datetime) -> None:
    """A release with a real mistake goes live: its page needs `delivery`, its values call it `shipping`."""
    _write_release(world, release, at, "Now with express delivery", "shipping")
    link = world.storefront / ".next"
    link.symlink_to(Path("releases") / release)
    os.replace(link, world.storefront / "current")


def deploy_next(world: DemoWorld, now: datetime) -> str:
    """The release that was deployed: newer than all, and as broken as v42."""
    newest = max(int(folder.name[1:]) for folder in (world.storefront / "releases").glob("v*"))
    deploy(world, f"v{newest + 1}", now)
    return f"v{newest + 1}"


def _write_release(world: DemoWorld, release: str, at: datetime, banner: str, name_of_delivery: str) -> None:
    folder = world.storefront / "releases" / release
    folder.mkdir(parents=True)
    shutil.copy(SHOP_PAGES / "index.html", folder)
    values = {"banner": banner, "open": "9 to 18", name_of_delivery: "free from € 30"}
    (folder / "shop.json").write_text(json.dumps(values))
    os.utime(folder, (at.timestamp(), at.timestamp()))


# The orders: a database, its backups, and a migration that damages it


def _build_orders(world: DemoWorld, now: datetime) -> None:
    world.backups.mkdir(parents=True)
    with closing(sqlite3.connect(world.database)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(SCHEMA)
        people = ((n, f"Customer {n}", f"customer{n}@example.com") for n in range(1, CUSTOMERS + 1))
        database.executemany("INSERT INTO customers VALUES (?, ?, ?)", people)
        start = now - timedelta(seconds=ORDERS * PAUSE_BETWEEN_ORDERS_SECONDS)
        for ago in BACKUPS:
            _sell(database, start, start := now - ago)
            if ago == BACKUPS[-1]:
                _refund(database, range(100, 100 + REFUNDS_BEFORE_BACKUP), now - timedelta(hours=3))
            back_up(database, world.backups / f"{now - ago:{BACKUP_NAME}}.db")
        _sell(database, start, now)
        _refund(database, range(500, 500 + REFUNDS_SINCE), now - timedelta(minutes=5))
    migrate(world)


def _sell(database: sqlite3.Connection, start: datetime, end: datetime) -> None:
    many = round((end - start).total_seconds() / PAUSE_BETWEEN_ORDERS_SECONDS)
    items = "Sencha 250 g, Assam 500 g, gift wrap, a card with greetings, to be left at the door, second bell"
    times = (start + timedelta(seconds=n * PAUSE_BETWEEN_ORDERS_SECONDS) for n in range(many))
    with database:
        rows = ((n % CUSTOMERS + 1, 12.5 + n % 80, items, stamp(at)) for n, at in enumerate(times))
        database.executemany(ORDER, rows)


def _refund(database: sqlite3.Connection, orders: range, at: datetime) -> None:
    with database:
        database.executemany(REFUND, ((order, 1_000, stamp(at)) for order in orders))


def back_up(database: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        database.backup(copy)


def migrate(world: DemoWorld) -> None:
    """Migration 0042: damages every order with a refund. Done once at a time, like any migration."""
    with closing(sqlite3.connect(world.database, timeout=10)) as database:
        if database.execute("SELECT version FROM schema_version").fetchone() == (41,):
            database.executescript(f"BEGIN IMMEDIATE; {MIGRATION_0042} COMMIT;")


def newest_backup(world: DemoWorld) -> str:
    """Its name, which is its restore point's id. Other files of the folder are not ours."""
    return max(path.stem for path in world.backups.glob("2*Z.db"))


def stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# The catalogue: a bare repository, and a load with decimal commas


def _build_catalog(world: DemoWorld, now: datetime) -> None:
    world.catalog.mkdir(parents=True)
    git(world, "init", "--quiet", "--bare", "--initial-branch=main")
    first = [(f"SKU-{n:04d}", f"Tea no. {n}", f"{4 + n % 37}.{n % 10}0") for n in range(1, ITEMS + 1)]
    dearer = [(sku, name, f"{float(price) + 0.5:.2f}") for sku, name, price in first]
    commit(world, "Load of the spring catalogue", _table(first[:-20]), now - timedelta(days=3))
    commit(world, "Twenty teas of the new harvest", _table(first), now - timedelta(days=1, hours=4))
    commit(world, "Prices from Monday", _table(dearer), now - timedelta(hours=9))
    load_badly(world, now - timedelta(minutes=35))


def load_badly(world: DemoWorld, at: datetime) -> None:
    """A supplier's file with decimal commas: its items have a price that no shop can read."""
    _, *rows = csv.reader(items_now(world).splitlines())
    bad = [(sku, name, price.replace(".", ",")) for sku, name, price in rows[:BROKEN_ITEMS]]
    good = [(sku, name, price) for sku, name, price in rows[BROKEN_ITEMS:]]
    commit(world, "Nightly load", _table(bad + good), at)


def last_good_load(world: DemoWorld) -> str:
    """The commit before the bad load at the tip."""
    return git(world, "rev-parse", "main~1").strip()


def _table(rows: list[tuple[str, str, str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("sku", "name", "price"), *rows])
    return out.getvalue()


def commit(world: DemoWorld, message: str, table: str, at: datetime) -> None:
    """`message` is ASCII: fast-import wants its length in bytes."""
    when = f"Loader <loader@example.com> {int(at.timestamp())} +0000"
    data = table.encode()
    parent = b"" if not _has_main(world) else b"from refs/heads/main^0\n"
    head = f"commit refs/heads/main\nauthor {when}\ncommitter {when}\ndata {len(message)}\n{message}\n"
    file = f"M 100644 inline catalog/items.csv\ndata {len(data)}\n"
    git(world, "fast-import", "--quiet", stdin=head.encode() + parent + file.encode() + data + b"\n")


def _has_main(world: DemoWorld) -> bool:
    return bool(git(world, "branch", "--list", "main"))


def items_now(world: DemoWorld) -> str:
    return git(world, "show", "main:catalog/items.csv")


def git(world: DemoWorld, *words: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ("git", "-C", str(world.catalog), *words), input=stdin, capture_output=True, env=GIT, check=True
    )
    return done.stdout.decode()
