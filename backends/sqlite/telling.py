"""What is said about two databases and about a restored one, in sentences and as findings."""

import sqlite3
from collections.abc import Collection, Iterator
from datetime import datetime

from backends.sqlite.comparing import Compared, Difference, NotCompared
from backends.sqlite.identifiers import folded
from backends.sqlite.reading import schema
from bot.model import (
    Change,
    Finding,
    Loss,
    LossQuality,
    RestorePoint,
    Unit,
    Value,
    Verdict,
    When,
)

COUNTERS = ("user_version", "application_id", "encoding")  # what an application may tell versions by


def changes(live: sqlite3.Connection, old: sqlite3.Connection) -> Iterator[str]:
    """Says what a restore sets back beside rows: everything that was created, and SQLite's counters."""
    now, then = schema(live), schema(old)
    yield from (f"{kind} {name} goes" for kind, name in sorted(now.keys() - then.keys()))
    yield from (f"{kind} {name} comes back" for kind, name in sorted(then.keys() - now.keys()))
    for kind, name in sorted(now.keys() & then.keys()):
        if now[kind, name] != then[kind, name]:
            yield f"{kind} {name} gets its earlier definition"
    for counter in COUNTERS:
        was, is_now = (db.execute(f"PRAGMA {counter}").fetchone()[0] for db in (old, live))
        if was != is_now:
            yield f"{counter} {is_now} becomes {was}"
    last_keys = _last_keys(live)
    for table, key in _last_keys(old).items():
        if last_keys.get(table, key) != key:
            yield f"the last key given in {table}, {last_keys[table]}, becomes {key}"


def _last_keys(database: sqlite3.Connection) -> dict[str, int]:
    """Returns the last keys by table with AUTOINCREMENT."""
    if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return {}
    return dict(database.execute("SELECT name, seq FROM sqlite_sequence ORDER BY name").fetchall())


def units_of(difference: Difference, personal: Collection[str] = ()) -> tuple[Unit, ...]:
    """Returns all three figures, those that are 0 among them. `personal`: folded names of tables."""
    about_people = folded(difference.table) in personal
    return (
        Unit(difference.table, difference.added, Change.NEW, personal=about_people),
        Unit(difference.table, difference.changed, Change.CHANGED, personal=about_people),
        Unit(difference.table, difference.deleted, Change.RETURNS, personal=about_people),
    )


def loss_of(
    found: tuple[Compared, ...] | str,
    wanted: Collection[str],
    point: RestorePoint,
    now: datetime,
    personal: Collection[str] = (),
) -> Loss:
    """Nothing that was counted in a damaged database is a figure: what is lost there is not known.

    `found` may be why nothing was compared. `wanted`, `personal`: the tables of the settings.
    """
    if isinstance(found, str):
        return Loss(LossQuality.UNKNOWN, point.at, basis=found, measured_at=now)
    compared = {folded(one.table) for one in found}
    unknown = [
        *(f"no table {name}" for name in sorted(wanted) if folded(name) not in compared),
        *(f"{one.table}: {one.why}" for one in found if isinstance(one, NotCompared)),
    ]
    people = {folded(name) for name in personal}
    damaged = any(isinstance(one, NotCompared) and one.damaged for one in found)
    counted = [] if damaged else [one for one in found if isinstance(one, Difference)]
    return Loss(
        quality=LossQuality.UNKNOWN if unknown else LossQuality.MEASURED,
        since=point.at,
        units=tuple(unit for one in counted for unit in units_of(one, people)),
        basis="; ".join(unknown),
        measured_at=now,
    )


def without_words(found: tuple[Compared, ...] | str) -> Iterator[str]:
    """Says which tables were compared without an order that only the application has."""
    for one in () if isinstance(found, str) else found:
        if isinstance(one, Difference) and one.without:
            orders = ", ".join(one.without)
            yield f"`{one.table}` was compared by its bytes: only the application has the collation {orders}."


def rows_of(compared: Compared, *, behind_maintenance: bool) -> Finding:
    """Judges a table after the restore: every row of the backup must be there as it was.

    Rows beyond those are traffic, unless nobody can have written them.
    """
    name = f"rows of {compared.table}"
    if isinstance(compared, NotCompared):
        return finding(name, Verdict.INCONCLUSIVE, None, f"They were not compared: {compared.why}.")
    if other := compared.changed + compared.deleted:
        words = f"{other} rows are not as in the backup: changed by traffic since, or not restored."
        return finding(name, Verdict.INCONCLUSIVE, other, words)
    if not compared.added:
        return finding(name, Verdict.PASSED, 0, "Every row of the backup is there, and no other.")
    if behind_maintenance:
        words = f"{compared.added} rows are not of the backup: written behind maintenance, or not restored."
        return finding(name, Verdict.INCONCLUSIVE, compared.added, words)
    words = f"Every row of the backup is there; {compared.added} were added since."
    return finding(name, Verdict.PASSED, 0, words)


def sentence(reason: Exception) -> str:
    return f"{str(reason).rstrip('.')}."


def finding(name: str, verdict: Verdict, value: Value, words: str, *, arrived: bool = False) -> Finding:
    return Finding(name, When.OFFLINE, verdict, value, words=words, arrived=arrived)
