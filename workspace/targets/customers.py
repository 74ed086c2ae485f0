"""The customers: insert one order after another, as long as the shop is not in maintenance.

Run as a program, `customers.py DATABASE FLAG SECONDS`: an order every SECONDS, none while FLAG exists. Each
opens the database anew, since a restore may replace it; while it is locked, the order waits.
"""

import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

BUY = "INSERT INTO orders (customer_id, total, items, created_at) VALUES (?, ?, ?, ?)"


def buy(database: Path, n: int) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    existing = f"{database.as_uri()}?mode=rw"
    with closing(sqlite3.connect(existing, uri=True, timeout=0)) as connection, connection:
        connection.execute(BUY, (n % 900 + 1, 12.5 + n % 80, f"{n % 4 + 1} items", now))


def main(database: Path, flag: Path, pause: float) -> None:
    n = 0
    while True:
        if not flag.exists():
            try:
                buy(database, n)
                n += 1
            except sqlite3.OperationalError:
                pass  # locked: the order is placed a moment later
        time.sleep(pause)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
